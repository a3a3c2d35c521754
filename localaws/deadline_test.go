package localaws

import "testing"

// A client that sends its body a byte at a time is not waited for without end.
func TestReadingHasADeadline(t *testing.T) {
	s, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.http.ReadTimeout <= 0 || s.http.ReadHeaderTimeout <= 0 {
		t.Errorf("read %v, header %v", s.http.ReadTimeout, s.http.ReadHeaderTimeout)
	}
}
