//go:build !linux

package process

// argumentRoom is what any system of today takes.
func argumentRoom() int { return 256 << 10 }
