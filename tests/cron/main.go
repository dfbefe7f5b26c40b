// Prints when the CronJob controller ticks: golden data for the tests of the operator's crons.
//
// It asks the library that the controller asks, at the version in Kubernetes' own go.mod, and as the
// controller does: with "TZ=<zone> <schedule>", each tick from the one before it.
//
//	cd tests/cron && go run . > golden.json
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"slices"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

const ticks = 4

// Schedules that can go wrong where clocks change, in the length of months, or in what they mean.
var schedules = []string{
	"* * * * *", "*/5 * * * *", "0 * * * *", "30 * * * *", "15,45 * * * *", "0 */2 * * *",
	"0 0 * * *", "59 23 * * *", "30 0 * * *", "0 1 * * *", "30 1 * * *", "45 1 * * *", "15 2 * * *",
	"0 2 * * *", "30 2 * * *", "59 2 * * *", "0 3 * * *", "30 3 * * *", "*/20 1-3 * * *",
	"0 9 * * 1-5", "0 9 * * MON-FRI", "0 12 * * SUN", "30 2 * * 0", "0 0 * * 6,0",
	"0 0 1 * *", "0 0 31 * *", "0 0 29 2 *", "0 0 30 2 *", "0 12 1 */3 *", "0 12 1 JAN,jul *",
	"0 0 13 * FRI", "0 0 */10 * MON", "0 0 1-31 * MON", "0 0 * * */2", "0 0 1 * 0-6",
	"0 0 ? * MON", "0 0 15 * ?", "0 0 */1 * TUE", "5/15 4 * * *", "10-40/10 5 * * *", "0 22-23 * * 6-6",
	"@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually",
}

// Moments around both changes of each zone's clocks in 2026, the end of a year, and a leap day.
var starts = map[string][]string{
	"Etc/UTC":             {"2026-11-23T12:00:00Z", "2027-12-31T23:59:30Z"},
	"Europe/Paris":        {"2026-03-28T20:00:00Z", "2026-03-29T00:30:00Z", "2026-10-24T20:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T00:59:59Z"},
	"Europe/London":       {"2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z", "2026-10-25T00:10:00Z"},
	"America/New_York":    {"2026-03-08T02:00:00Z", "2026-03-08T06:30:00Z", "2026-11-01T02:00:00Z", "2026-11-01T05:40:00Z"},
	"America/Los_Angeles": {"2026-03-08T08:00:00Z", "2026-11-01T07:00:00Z"},
	"America/Santiago":    {"2026-09-05T20:00:00Z", "2026-04-04T22:00:00Z", "2026-04-05T02:30:00Z"},
	"America/Havana":      {"2026-03-07T22:00:00Z", "2026-10-31T22:00:00Z"},
	"America/St_Johns":    {"2026-03-08T02:00:00Z", "2026-11-01T02:00:00Z"},
	"Asia/Beirut":         {"2026-03-28T18:00:00Z", "2026-10-24T18:00:00Z"},
	"Australia/Lord_Howe": {"2026-10-03T12:00:00Z", "2026-10-03T15:10:00Z", "2026-04-04T12:00:00Z", "2026-04-04T14:40:00Z"},
	"Pacific/Chatham":     {"2026-09-26T10:00:00Z", "2026-04-04T12:00:00Z"},
	"Asia/Kolkata":        {"2026-11-23T12:00:00Z", "2028-02-28T12:00:00Z"},
	"Asia/Kathmandu":      {"2026-11-23T12:00:00Z"},
}

// Expressions of which the question is only whether they are one.
var questionable = []string{
	"0 0 * * 7", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * 0 *",
	"0 0 0 * * *", "* * * *", "", "every minute", "@reboot", "@every 1h", "@Daily", "*/0 * * * *",
	"5-1 * * * *", "0 0 * * FRI-MON", "0 0 L * *", "0 0 * * 5#3", "0 0 15W * *", "0 0 * FOO *",
	"1,,2 * * * *", ",1 * * * *", "1-2-3 * * * *", "1/2/3 * * * *", "-1 * * * *", "+1 * * * *", "*-5 * * * *",
	"*/5,1 * * * *", "* * * * mon,TUE", "H * * * *", "1- * * * *", "*/ * * * *", "*5 * * * *", "5/70 * * * *",
	"0  0 *\t* *", " 0 0 * * * ", "?/5 * * * *", "1-70 * * * *", "CRON_TZ=UTC 0 0 * * *", "0 0 * * sunday",
	"08 09 * * *", "0 0 * JAN-MAR/2 *", "0 0 * * sun-tue", "١ * * * *", "1_0 * * * *", "1.5 * * * *",
}

type golden struct {
	Ticks        []sequence
	Questionable map[string]bool
}

type sequence struct {
	Schedule string   `json:"schedule"`
	Zone     string   `json:"zone"`
	After    string   `json:"after"`
	Ticks    []string `json:"ticks"`
}

func ticksOf(schedule, zone, after string) []string {
	parsed, err := cron.ParseStandard("TZ=" + zone + " " + schedule)
	if err != nil {
		log.Fatalf("%q in %s: %v", schedule, zone, err)
	}
	moment, err := time.Parse(time.RFC3339, after)
	if err != nil {
		log.Fatal(err)
	}
	found := []string{}
	for range ticks {
		moment = parsed.Next(moment)
		if moment.IsZero() {
			break
		}
		found = append(found, moment.UTC().Format(time.RFC3339))
	}
	return found
}

func main() {
	all := golden{Questionable: map[string]bool{}}
	for _, zone := range sorted(starts) {
		for _, after := range starts[zone] {
			for _, schedule := range schedules {
				all.Ticks = append(all.Ticks, sequence{schedule, zone, after, ticksOf(schedule, zone, after)})
			}
		}
	}
	for _, expression := range questionable {
		_, err := cron.ParseStandard(expression)
		all.Questionable[expression] = err == nil
	}
	write(all)
}

// write puts each sequence on a line of its own, so that a difference can be read.
func write(all golden) {
	fmt.Println(`{"questionable": ` + line(all.Questionable) + `,`)
	fmt.Println(`"ticks": [`)
	for index, each := range all.Ticks {
		comma := ","
		if index == len(all.Ticks)-1 {
			comma = ""
		}
		fmt.Println(line(each) + comma)
	}
	fmt.Println("]}")
}

func line(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		log.Fatal(err)
	}
	return string(text)
}

func sorted(zones map[string][]string) []string {
	return slices.Sorted(maps.Keys(zones))
}
