package luks

import "github.com/unboot/unboot/volume/internal/hashfunc"

// hashes are the hash functions that headers name.
var hashes = hashfunc.ByName
