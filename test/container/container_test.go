// Package container tests what is made for containers: the image of scripts/image, and the
// manifests of examples/kubernetes.
package container

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/sys/unix"

	"github.com/unboot/unboot/internal/rig"
	"github.com/unboot/unboot/internal/testimg"
	"github.com/unboot/unboot/lkl"
)

// makeImage runs the script on a program.
func makeImage(t *testing.T, program string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "image")
	cmd := exec.Command("../../scripts/image", out)
	cmd.Env = append(os.Environ(), "PROGRAM="+program)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// TestImage: the image is valid for another implementation of the format, has one program in it,
// is the same each time, and what is in it runs.
func TestImage(t *testing.T) {
	testimg.Need(t, "tar", "gzip", "sha256sum")
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "../../cmd/unboot")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the Makefile: the image has no loader
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := makeImage(t, program)
	index, err := layout.ImageIndexFromPath(dir)
	rig.Check(t, "layout", err)
	blobs, _ := filepath.Glob(dir + "/blobs/sha256/*")
	for _, b := range blobs {
		data, err := os.ReadFile(b)
		rig.Check(t, "read", err)
		sum := sha256.Sum256(data)
		if hex.EncodeToString(sum[:]) != filepath.Base(b) {
			t.Errorf("%s has another sum", b)
		}
	}
	manifest, err := index.IndexManifest()
	rig.Check(t, "index", err)
	image, err := index.Image(manifest.Manifests[0].Digest)
	rig.Check(t, "image", err)
	config, err := image.ConfigFile()
	rig.Check(t, "config", err)
	if config.OS != "linux" || config.Config.User != "65534:65534" || !slices.Equal(config.Config.Entrypoint, []string{"/unboot"}) {
		t.Errorf("config %+v", config)
	}
	layers, err := image.Layers()
	rig.Check(t, "layers", err)
	if len(layers) != 1 {
		t.Fatalf("%d layers", len(layers))
	}
	r, err := layers[0].Uncompressed()
	rig.Check(t, "layer", err)
	defer r.Close()
	root := t.TempDir()
	var names []string
	whole := sha256.New()
	for tr := tar.NewReader(io.TeeReader(r, whole)); ; {
		h, err := tr.Next()
		if err == io.EOF {
			break
		}
		rig.Check(t, "tar", err)
		names = append(names, h.Name)
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d:%d, %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		if h.Typeflag == tar.TypeReg {
			data, err := io.ReadAll(tr)
			rig.Check(t, "read", err)
			rig.Check(t, "write", os.WriteFile(filepath.Join(root, h.Name), data, 0o755))
		}
	}
	_, err = io.Copy(whole, r)
	rig.Check(t, "rest", err)
	if got := hex.EncodeToString(whole.Sum(nil)); len(blobs) != 3 || len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0].Hex != got {
		t.Errorf("the layer is %s, not %v", got, config.RootFS.DiffIDs)
	}
	if got := strings.Join(names, " "); got != "tmp/ unboot" {
		t.Errorf("it holds %s", got)
	}
	again := makeImage(t, program)
	if a, b := testimg.MustRun(t, "cat", dir+"/index.json"), testimg.MustRun(t, "cat", again+"/index.json"); a != b {
		t.Errorf("another image the second time: %s, %s", a, b)
	}
	if os.Geteuid() != 0 {
		t.Log("not root: nothing is run in the image")
		return
	}
	// Beside what every container has, nothing else is there: no library, no /dev.
	proc := filepath.Join(root, "proc")
	rig.Check(t, "proc", os.Mkdir(proc, 0o555))
	if err := unix.Mount("proc", proc, "proc", 0, ""); err == unix.EPERM {
		t.Skipf("mount: %v: nothing is run in the image", err)
	} else {
		rig.Check(t, "proc", err)
	}
	defer unix.Unmount(proc, unix.MNT_DETACH)
	disk := filepath.Join(root, "disk.img")
	rig.Check(t, "disk", testimg.Copy(testimg.FS(t, "ext4", testimg.Options{Tree: true}), disk))
	rig.Check(t, "chmod", os.Chmod(root, 0o755))
	rig.Check(t, "chmod", os.Chmod(disk, 0o444))
	if out, err := exec.Command("chroot", "--userspec=65534:65534", root, "/unboot", "ls", "/disk.img").CombinedOutput(); strings.Contains(string(out), lkl.ErrNoKernel.Error()) {
		t.Skip("the program has no kernel")
	} else if err != nil || len(out) == 0 {
		t.Errorf("%v: %s", err, out)
	}
}

// TestManifests: the manifests are what the schema beside this file says of the fields that
// they use, and ask for no more than they are said to.
func TestManifests(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/manifest.schema.json")
	rig.Check(t, "schema", err)
	paths, _ := filepath.Glob("../../examples/kubernetes/*.json")
	if len(paths) < 2 {
		t.Fatal("no manifests")
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		rig.Check(t, path, err)
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		rig.Check(t, path, err)
		if err := schema.Validate(v); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		// A field that is misspelled is found.
		wrong := strings.Replace(string(data), "readOnly", "readonly", 1)
		v, err = jsonschema.UnmarshalJSON(strings.NewReader(wrong))
		rig.Check(t, path, err)
		if schema.Validate(v) == nil {
			t.Errorf("%s: a wrong field is taken", path)
		}
	}
	var list struct {
		Items []struct {
			Kind string
			Spec struct {
				SecurityContext struct {
					RunAsNonRoot    bool
					AppArmorProfile *struct{ Type string }
				}
				Containers []struct {
					Args            []string
					Env             []struct{ Name, Value string }
					SecurityContext struct {
						AllowPrivilegeEscalation, ReadOnlyRootFilesystem bool
						Privileged                                       *bool
						Capabilities                                     struct{ Drop, Add []string }
					}
					Resources    struct{ Limits map[string]string }
					VolumeMounts []struct{ ReadOnly bool }
				}
			}
		}
	}
	data, err := os.ReadFile("../../examples/kubernetes/serve.json")
	rig.Check(t, "serve", err)
	rig.Check(t, "serve", json.Unmarshal(data, &list))
	pods := 0
	for _, it := range list.Items {
		if it.Kind == "Secret" {
			t.Error("a token that everybody knows")
		}
		if it.Kind != "Pod" {
			continue
		}
		pods++
		c := it.Spec.Containers[0]
		s := c.SecurityContext
		if p := it.Spec.SecurityContext; !p.RunAsNonRoot || p.AppArmorProfile != nil {
			t.Errorf("privileges: %+v", p)
		}
		if s.AllowPrivilegeEscalation || !s.ReadOnlyRootFilesystem || s.Privileged != nil || len(s.Capabilities.Add) > 0 || !slices.Equal(s.Capabilities.Drop, []string{"ALL"}) {
			t.Errorf("privileges: %+v", s)
		}
		if len(c.Resources.Limits) != 1 || c.Resources.Limits["memory"] != "128Mi" || c.Args[0] != "serve" {
			t.Errorf("limits %v, args %v", c.Resources.Limits, c.Args)
		}
		// Go does not look at the limit.
		if len(c.Env) != 1 || c.Env[0].Name != "GOMEMLIMIT" || c.Env[0].Value != "32MiB" {
			t.Errorf("environment %v", c.Env)
		}
		for _, m := range c.VolumeMounts {
			if !m.ReadOnly {
				t.Error("a volume that can be written to")
			}
		}
	}
	if pods != 1 {
		t.Errorf("%d pods", pods)
	}
	// A capability that is added does not survive execve of another user than root, and the
	// usual profile of AppArmor forbids mounts.
	var pod struct {
		Spec struct {
			HostUsers       *bool
			SecurityContext struct {
				RunAsUser       *int
				AppArmorProfile struct{ Type string }
			}
			Containers []struct {
				SecurityContext struct {
					Privileged   *bool
					Capabilities struct{ Drop, Add []string }
				}
			}
		}
	}
	data, err = os.ReadFile("../../examples/kubernetes/mount.json")
	rig.Check(t, "mount", err)
	rig.Check(t, "mount", json.Unmarshal(data, &pod))
	p, c := pod.Spec.SecurityContext, pod.Spec.Containers[0].SecurityContext
	if h := pod.Spec.HostUsers; h == nil || *h || p.RunAsUser == nil || *p.RunAsUser != 0 || p.AppArmorProfile.Type != "Unconfined" {
		t.Errorf("mount: %+v", p)
	}
	if c.Privileged != nil || !slices.Equal(c.Capabilities.Drop, []string{"ALL"}) || !slices.Equal(c.Capabilities.Add, []string{"SYS_ADMIN"}) {
		t.Errorf("mount: %+v", c)
	}
}
