package hive

// New returns a hive that has nothing but a root, open for writing. It has the format
// of Windows XP and later. Its security record lets everybody read, and the
// system and administrators do anything, to the root and to what is added below it.
func New() *Hive {
	data := make([]byte, headerSize+binAlign)
	copy(data, "regf")
	le.PutUint32(data[hdrSequence1:], 1)
	le.PutUint32(data[hdrSequence2:], 1)
	le.PutUint32(data[hdrMajor:], 1)
	le.PutUint32(data[hdrMinor:], 5)
	le.PutUint32(data[hdrFormat:], 1)
	le.PutUint32(data[hdrCluster:], 1)
	le.PutUint32(data[hdrBinsSize:], binAlign)

	bin := data[headerSize:]
	copy(bin, "hbin")
	le.PutUint32(bin[8:], binAlign)

	// The root comes first, then its security record.
	const root = ref(binHeader)
	name := toUnits("$$$PROTO.HIV") // as in hives of Windows XP
	nk := newNode(name, none, none, 0)
	le.PutUint16(nk[nkFlags:], flagRoot|flagNoDelete|flagCompressed)
	next := binHeader
	put := func(content []byte) ref {
		at := ref(next)
		size := (len(content) + 4 + cellAlign - 1) &^ (cellAlign - 1)
		le.PutUint32(bin[next:], -uint32(size))
		copy(bin[next+4:], content)
		next += size
		return at
	}
	put(nk)
	descriptor := defaultSecurity()
	sk := make([]byte, skDescriptor, skDescriptor+len(descriptor))
	copy(sk, "sk")
	le.PutUint32(sk[skShares:], 1)
	le.PutUint32(sk[skSize:], uint32(len(descriptor)))
	at := put(append(sk, descriptor...))
	content := bin[at+4:]
	putRef(content[skNext:], at)
	putRef(content[skPrevious:], at)
	putRef(bin[root+4+nkSecurity:], at)
	le.PutUint32(bin[next:], uint32(binAlign-next)) // the rest is free

	putRef(data[hdrRoot:], root)
	le.PutUint32(data[hdrChecksum:], checksum(data))
	h, err := Parse(data, Write)
	if err != nil || !h.edit.sound {
		panic("hive: New makes a hive with faults") // no input leads here
	}
	h.edit.changed = true
	le.PutUint64(h.data[root.offset()+4+nkTime:], h.now())
	return h
}

// The parts of an access control list, by Windows's names: [MS-DTYP] 2.4.
const (
	keyAllAccess = 0xf003f
	keyRead      = 0x20019
	inherit      = 0x02 // CONTAINER_INHERIT_ACE
)

// defaultSecurity returns the descriptor of a new hive.
func defaultSecurity() []byte {
	everyone := sid(1, 0)
	system := sid(5, 18)
	administrators := sid(5, 32, 544)

	var entries []byte
	for _, e := range []struct {
		sid    []byte
		access uint32
	}{{everyone, keyRead}, {system, keyAllAccess}, {administrators, keyAllAccess}} {
		entries = append(entries, 0, inherit)
		entries = le.AppendUint16(entries, uint16(8+len(e.sid)))
		entries = le.AppendUint32(entries, e.access)
		entries = append(entries, e.sid...)
	}
	acl := []byte{2, 0}
	acl = le.AppendUint16(acl, uint16(8+len(entries)))
	acl = le.AppendUint32(acl, 3)
	acl = append(acl, entries...)

	const header = 20
	b := []byte{1, 0, 0x04, 0x80} // has a DACL, is self-relative
	owner := uint32(header + len(acl))
	b = le.AppendUint32(b, owner)
	b = le.AppendUint32(b, owner+uint32(len(administrators))) // group
	b = le.AppendUint32(b, 0)                                 // no SACL
	b = le.AppendUint32(b, header)
	b = append(b, acl...)
	b = append(b, administrators...)
	return append(b, system...)
}

// sid returns a security identifier: S-1-authority-parts.
func sid(authority byte, parts ...uint32) []byte {
	b := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, authority}
	for _, p := range parts {
		b = le.AppendUint32(b, p)
	}
	return b
}
