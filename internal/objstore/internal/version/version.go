// Package version holds the one type that the implementations of objstore may make and nobody else may: the compiler
// keeps this package below internal/objstore.
package version

// Version names one state of one object in one store. The zero Version means "no object".
type Version struct{ token string }

// Of makes a Version from what the store itself calls that state. An empty token makes the zero Version.
func Of(token string) Version { return Version{token} }

// Token is what Of was given.
func Token(v Version) string { return v.token }

// IsZero reports whether v stands for no object.
func (v Version) IsZero() bool { return v == Version{} }
