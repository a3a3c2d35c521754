// Package helm runs the real Helm, 3 and 4, with pinnace's plugins against localaws. It is a module of its own, so that
// nobody who uses pinnace downloads what only these tests need.
//
//	PINNACE_E2E_BUILD=1 go test -v ./...
//
// builds both Helms into a cache the first time, which takes minutes. Without the variable, and without the programs in
// $PINNACE_TOOLS or the user's cache, the tests are skipped.
package helm
