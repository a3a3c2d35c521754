package settings

import _ "embed"

// Schema is the JSON schema of the configuration file, for editors and for CI. It is generated from the fields and
// their comments.
//
//go:embed schema.json
var Schema string
