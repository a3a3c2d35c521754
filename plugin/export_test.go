package plugin

// FromModule is what makes a plugin's version of a Go module's.
var FromModule = fromModule
