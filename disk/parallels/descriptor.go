package parallels

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"math"
	"slices"
	"strings"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/internal/readonly"
	"github.com/unboot/unboot/disk/internal/winpath"
)

// Bounds of a descriptor.
const (
	maxDescriptor = 1 << 20 // bytes
	// MaxStorages is how many storages a disk can have.
	MaxStorages = 1024
	// MaxSnapshots is how many snapshots a disk can have, one on top of the other.
	MaxSnapshots = 200

	noSnapshot = "{00000000-0000-0000-0000-000000000000}"
)

// descriptor is what is read of the file.
type descriptor struct {
	XMLName xml.Name         `xml:"Parallels_disk_image"`
	Sectors uint64           `xml:"Disk_Parameters>Disk_size"`
	Sector  int64            `xml:"Disk_Parameters>LogicSectorSize"`
	Storage []storageElement `xml:"StorageData>Storage"`
	Top     string           `xml:"Snapshots>TopGUID"`
	Shot    []struct {
		GUID   string `xml:"GUID"`
		Parent string `xml:"ParentGUID"`
	} `xml:"Snapshots>Shot"`
}

type storageElement struct {
	Start uint64 `xml:"Start"` // in sectors
	End   uint64 `xml:"End"`
	Image []struct {
		GUID string `xml:"GUID"`
		Type string `xml:"Type"`
		File string `xml:"File"`
	} `xml:"Image"`
}

// A storage is a part of the disk.
type storage struct {
	start, size int64
	images      []image // the current one first
}

// An image is one of a storage.
type image struct {
	name  string
	plain bool
}

func (i *image) reference() disk.Reference {
	ref := disk.Reference{Role: disk.DataFile, Name: i.name, Format: "parallels"}
	if i.plain {
		ref.Format = "raw"
	}
	return ref
}

// readDescriptor returns the storages, in the order of the disk and without gaps, and the
// size of that.
func readDescriptor(d disk.Device) ([]storage, int64, error) {
	if d.Size() > maxDescriptor {
		return nil, 0, damage.Errorf("a descriptor of %d bytes", d.Size())
	}
	b := make([]byte, d.Size())
	if err := damage.ReadFull(d, b, 0, "descriptor"); err != nil {
		return nil, 0, err
	}
	var desc descriptor
	if err := xml.NewDecoder(bytes.NewReader(b)).Decode(&desc); err != nil {
		return nil, 0, damage.Errorf("the descriptor: %v", err)
	}
	if desc.Sector != 0 && desc.Sector != sectorSize {
		return nil, 0, damage.Errorf("sectors of %d bytes, which are not known here", desc.Sector)
	}
	chain, err := desc.chain()
	if err != nil {
		return nil, 0, err
	}
	if n := len(desc.Storage); n == 0 || n > MaxStorages {
		return nil, 0, damage.Errorf("the descriptor has %d storages", n)
	}
	return desc.storages(chain)
}

// chain returns the identifiers of the current snapshot and those below it, nil if there
// are none.
func (desc *descriptor) chain() (chain []string, err error) {
	parents := map[string]string{}
	for _, s := range desc.Shot {
		parents[fold(s.GUID)] = fold(s.Parent)
	}
	for guid := fold(desc.Top); guid != "" && guid != noSnapshot; guid = parents[guid] {
		if chain = append(chain, guid); len(chain) > MaxSnapshots {
			return nil, damage.Errorf("a chain of more than %d snapshots, or one that runs in a circle", MaxSnapshots)
		}
	}
	return chain, nil
}

func fold(guid string) string { return strings.ToLower(strings.TrimSpace(guid)) }

// storages returns the storages with the images of a chain of snapshots.
func (desc *descriptor) storages(chain []string) (list []storage, size int64, err error) {
	slices.SortFunc(desc.Storage, func(a, b storageElement) int { return cmp.Compare(a.Start, b.Start) })
	end := uint64(0)
	for i := range desc.Storage {
		e := &desc.Storage[i]
		if e.Start != end || e.End < e.Start || e.End > math.MaxInt64/sectorSize {
			return nil, 0, damage.Errorf("a storage from sector %d to %d follows %d", e.Start, e.End, end)
		}
		end = e.End
		s := storage{start: int64(e.Start) * sectorSize, size: int64(e.End-e.Start) * sectorSize}
		if s.images, err = e.images(chain); err != nil {
			return nil, 0, err
		}
		if s.size > 0 {
			list = append(list, s)
		}
	}
	if desc.Sectors > 0 && desc.Sectors != end {
		return nil, 0, damage.Errorf("storages of %d sectors, of a disk of %d", end, desc.Sectors)
	}
	return list, int64(end) * sectorSize, nil
}

// images returns those of a chain of snapshots, or the only one.
func (e *storageElement) images(chain []string) (list []image, err error) {
	add := func(kind, file string) error {
		name, err := winpath.Relative(strings.TrimSpace(file))
		if err != nil {
			return err
		}
		i := image{name: readonly.Beside(name)}
		switch kind = strings.TrimSpace(kind); kind {
		case "Plain":
			i.plain = true
		case "Compressed":
		default:
			return damage.Errorf("the image %q is of the type %q", name, kind)
		}
		list = append(list, i)
		return nil
	}
	for _, guid := range chain {
		for _, i := range e.Image {
			if fold(i.GUID) == guid {
				if err := add(i.Type, i.File); err != nil {
					return nil, err
				}
				break
			}
		}
	}
	if len(list) == 0 && len(e.Image) == 1 {
		err = add(e.Image[0].Type, e.Image[0].File)
	} else if len(list) == 0 {
		err = damage.Errorf("a storage has %d images, and none of the current snapshot", len(e.Image))
	}
	return list, err
}
