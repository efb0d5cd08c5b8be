package serve

import (
	"net/http"
	"time"
)

// AtOnce is how many archives are made at a time.
const AtOnce = atOnce

// SetStall says how long a client may take to receive a piece.
func SetStall(h http.Handler, d time.Duration) { h.(*handler).stall = d }
