// Package field opens images as public repositories have them, and looks whether
// what was wrong with them once is right. They lie beside the checkout, in
// ../shared/cases; where they do not, the tests are skipped.
package field
