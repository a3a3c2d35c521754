// Package collector has the test collector (cmd/otelcol) built when a test wants it. The module around it runs that
// collector with the real pinnace-agent, localaws, a stand-in for Coralogix's ingress (package ingress) and a load of
// records (package load), rotates the key, and counts what is lost. It is a module of its own, so that nobody who uses
// pinnace downloads what only these tests need.
//
//	PINNACE_E2E_BUILD=1 go test -v ./...
//
// builds the collector into a cache the first time, which takes minutes. Without the variable, and without the program
// in $PINNACE_TOOLS or the user's cache, the tests are skipped.
package collector
