package unboot

// tellingLine returns the line of a log that best says what went wrong, or "".
func tellingLine(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1]
}
