package main

import (
	"context"
	"errors"
	"os"
	"testing"
)

// A wait for more of a pipe ends with the context, in the words of its cause, and errors.Is
// still finds context.Canceled.
func TestStdinCause(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close() // first: the goroutine that reads ahead ends with it
	ctx, cancel := context.WithCancelCause(context.Background())
	own := errors.New("a signal came")
	cancel(own)
	_, err = (&app{ctx: ctx}).interruptible(r).Read(make([]byte, 1))
	if !errors.Is(err, own) || !errors.Is(err, context.Canceled) || err.Error() != own.Error() {
		t.Errorf("%v", err)
	}
}
