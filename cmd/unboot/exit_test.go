package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Each row of the documented exit statuses is a command of the script that holds it,
// each status of the manual pages has a row, and each row's status has one there.
func TestExitStatuses(t *testing.T) {
	doc, err := os.ReadFile("../../docs/exit-status.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/exit_status.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| (\\d+|any) \\| .* \\| `(.*)` \\|$").FindAllStringSubmatch(string(doc), -1)
	documented := map[string]bool{}
	for _, r := range rows {
		status, command := r[1], strings.ReplaceAll(r[2], `\|`, "|")
		documented[status] = true
		if status == "any" {
			status = `\d+`
		}
		if !regexp.MustCompile(`(?m)^code ` + status + ` ` + regexp.QuoteMeta(command) + `$`).Match(script) {
			t.Errorf("the script lacks code %s %s", r[1], command)
		}
	}
	if n := strings.Count(string(script), "\ncode "); n != len(rows) {
		t.Errorf("%d rows for %d commands of the script", len(rows), n)
	}
	var manual []string
	for _, s := range exitStatuses {
		manual = append(manual, fmt.Sprint(s.code))
	}
	for status := range documented {
		if status != "any" && !slices.Contains(manual, status) {
			t.Errorf("manual pages lack %s", status)
		}
	}
	for _, status := range manual {
		if !documented[status] {
			t.Errorf("the table lacks %s", status)
		}
	}
}
