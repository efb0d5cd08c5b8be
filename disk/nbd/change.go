package nbd

// change sends a request that changes the export, and remembers it until it is flushed.
func (d *Device) change(q *request) error {
	if q.flags&cmdFlagFUA != 0 || !d.export.can(exportFlush) {
		return d.do(q)
	}
	kept := &request{typ: q.typ, flags: q.flags, off: q.off, length: q.length, data: append([]byte(nil), q.data...)}
	c, full := d.unflushed.Add(kept, q.off, int64(q.length), len(q.data))
	if err := d.do(q); err != nil {
		d.unflushed.Remove(c)
		return err
	}
	d.unflushed.Settle(c)
	if full {
		return d.flush()
	}
	return nil
}
