package process

import "golang.org/x/sys/unix"

// argumentRoom is how many bytes of arguments and environment execve takes: a quarter of the stack that it may grow,
// within bounds. A page is left for what the kernel adds, such as the interpreter of a script.
func argumentRoom() int {
	const least, most, margin = 128 << 10, 6 << 20, 4 << 10
	room := uint64(most)
	var stack unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_STACK, &stack); err == nil {
		room = min(room, stack.Cur/4)
	}
	return int(max(room, least)) - margin
}
