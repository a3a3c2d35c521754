//go:build !race

package chartrepo

const raceDetector = false
