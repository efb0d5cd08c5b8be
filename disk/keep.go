package disk

import (
	"context"
)

// Keep writes into an image what it has from its backing files and another disk has not, so
// that the image reads the same with that one below it as it does now. progress is as in
// [Compare].
func Keep(ctx context.Context, image, below Device, progress func(n int64)) error {
	k := &copying{dst: image, src: image, grain: compareGrain}
	k.zeroWriter, _ = As[ZeroWriter](image)
	buf := make([]byte, mostData)
	for r, err := range Compare(ctx, image, below, progress) {
		if err != nil {
			return err
		}
		for e, err := range extents(image, r.Start, r.Size) {
			if err != nil {
				return err
			}
			if classifyTop(e) != nothing {
				continue
			}
			for off, end := e.Start, e.Start+e.Size; off < end; {
				b := buf[:min(mostData, end-off)]
				if err := readPart(image, b, off); err != nil {
					return err
				}
				if err := k.data(b, off); err != nil {
					return err
				}
				off += int64(len(b))
			}
		}
	}
	return nil
}
