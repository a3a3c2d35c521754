// Package patient makes the garbage collector of a process that lives shortly wait until there is something to collect.
// Whoever imports it for that, a command alone, has it from the process's first milliseconds on: of the packages that
// are initialised, those that need most come later.
package patient

import "runtime/debug"

// percent is how much the heap grows before it is collected: most commands end before that, and would spend a fifth of
// their processor time on collecting what is about to vanish anyway.
const percent = 400

const usual = 100 // percent, unless GOGC says otherwise

func init() {
	if before := debug.SetGCPercent(percent); before != usual {
		debug.SetGCPercent(before)
	}
}
