//go:build race

package chartrepo

// raceDetector makes everything several times slower.
const raceDetector = true
