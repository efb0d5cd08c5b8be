package s3disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/unboot/unboot/disk"
	"github.com/unboot/unboot/disk/httpdisk"
)

const defaultRegion = "us-east-1"

// Open opens what a URL names. It is the Open of a source.Transport.
func Open(ctx context.Context, u *url.URL, o disk.Options) (disk.Device, error) {
	name := disk.Display(u.String())
	err := error(syscall.EROFS)
	var d *httpdisk.Device
	if !o.Writable {
		d, err = open(ctx, u, name)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return d, nil
}

func open(ctx context.Context, u *url.URL, name string) (*httpdisk.Device, error) {
	bucket, object := u.Host, strings.TrimPrefix(u.Path, "/")
	if bucket == "" || object == "" {
		return nil, errors.New("an address without a bucket or a key (s3://BUCKET/KEY)")
	}
	if u.User != nil || u.Fragment != "" {
		return nil, errors.New("an address with a user or a fragment")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("an address with a wrong query")
	}
	for k := range q {
		if k != "region" && k != "endpoint" && k != "profile" && k != "anonymous" {
			return nil, fmt.Errorf("an address with %q in its query (region, endpoint, profile, anonymous)", k)
		}
	}
	p, err := readProfile(ctx, q.Get("profile"))
	if err != nil {
		return nil, err
	}
	p.region = cmp.Or(q.Get("region"), p.region, defaultRegion)
	if q.Has("anonymous") {
		p.key = key{}
	}
	at, err := locate(bucket, object, p.region, cmp.Or(q.Get("endpoint"), p.endpoint))
	if err != nil {
		return nil, err
	}
	s := &signer{through: httpdisk.DefaultTransport(), host: at.Host, key: p.key, region: p.region, now: time.Now}
	d, err := httpdisk.Get(ctx, at, httpdisk.Options{Transport: s, Name: name, Head: 512 << 10})
	if errors.Is(err, fs.ErrPermission) && p.id == "" {
		err = fmt.Errorf("%w (without a key: AWS_ACCESS_KEY_ID, or ~/.aws/credentials)", err)
	}
	return d, err
}

// locate returns where an object is.
func locate(bucket, object, region, endpoint string) (*url.URL, error) {
	if strings.ContainsAny(region, "/?#@:") || strings.ContainsAny(bucket, "/?#@:") {
		return nil, errors.New("a wrong name of a region or bucket")
	}
	u := &url.URL{Scheme: "https"}
	path := "/" + object
	switch {
	case endpoint != "":
		if !strings.Contains(endpoint, "://") {
			endpoint = "https://" + endpoint
		}
		e, err := url.Parse(endpoint)
		if err != nil || e.Scheme != "https" && e.Scheme != "http" || e.Host == "" || e.User != nil || e.RawQuery != "" {
			return nil, errors.New("the endpoint is not a URL such as https://HOST:PORT")
		}
		u.Scheme, u.Host = e.Scheme, e.Host
		path = strings.TrimSuffix(e.Path, "/") + "/" + bucket + path
	case strings.Contains(bucket, "."): // for which there is no certificate
		u.Host, path = "s3."+region+".amazonaws.com", "/"+bucket+path
	default:
		u.Host = bucket + ".s3." + region + ".amazonaws.com"
	}
	u.Path, u.RawPath = path, escape(path)
	return u, nil
}
