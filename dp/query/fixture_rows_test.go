package query_test

import (
	"fmt"
	"strings"
)

const (
	visitsTable = "CREATE TABLE visits (visit_id BIGINT, patient_id BIGINT, sex BIGINT, age BIGINT, weight DOUBLE PRECISION, ratio DOUBLE PRECISION, cost DECIMAL(10,2), note TEXT, region TEXT, smoker BOOLEAN, day DATE, moment TIMESTAMP, big BIGINT, wild DOUBLE PRECISION, secret TEXT)"
	otherTables = "CREATE TABLE bills (visit BIGINT, amount BIGINT, kind TEXT); CREATE TABLE patients (patient_id BIGINT, city TEXT, born DATE, height DOUBLE PRECISION); CREATE TABLE cities (city TEXT, zone TEXT, people BIGINT); CREATE TABLE survey (rid BIGINT, g TEXT, x DOUBLE PRECISION, y BIGINT, answered BOOLEAN)"
)

// random is a small generator that is the same everywhere: what fails once fails
// again.
type random uint64

func (r *random) next(n int) int {
	*r = *r*6364136223846793005 + 1442695040888963407
	return int((uint64(*r) >> 33) % uint64(n))
}

func pick[T any](r *random, of ...T) T { return of[r.next(len(of))] }

// statements make the tables; wicked ones hold whatever a type can,
// the others only what the owner stated.
func statements(wicked bool) []string {
	all := append([]string{visitsTable}, strings.Split(otherTables, "; ")...)
	r := random(7)
	value := func(usual string, odd ...string) string {
		if wicked && r.next(4) == 0 {
			return pick(&r, odd...)
		}
		return usual
	}
	doubles := []string{"NULL", "CAST('NaN' AS DOUBLE PRECISION)", "CAST('Infinity' AS DOUBLE PRECISION)", "CAST('-Infinity' AS DOUBLE PRECISION)", "CAST('1.7976931348623157e308' AS DOUBLE PRECISION)", "CAST('-1.7976931348623157e308' AS DOUBLE PRECISION)", "CAST('4.9e-324' AS DOUBLE PRECISION)", "CAST('-4.9e-324' AS DOUBLE PRECISION)", "CAST('-0.0' AS DOUBLE PRECISION)", "CAST('1e-200' AS DOUBLE PRECISION)", "0.5", "-1"}
	ints := []string{"NULL", "9223372036854775807", "CAST('-9223372036854775808' AS BIGINT)", "0", "-1", "121"}
	texts := []string{"NULL", "''", "'it''s'", `'a\b'`, "'Ünï-ço'", "'%_'", "' x '", "'12'", "'-7.5e3'", "'999999999999999999999'", "'Infinity'", "'nan'"}
	dates := []string{"NULL", "CAST('infinity' AS DATE)", "CAST('-infinity' AS DATE)", "DATE '0001-01-01'", "DATE '9999-12-31'", "DATE '1969-12-31'", "DATE '2024-02-29'"}
	stamps := []string{"NULL", "CAST('infinity' AS TIMESTAMP)", "CAST('-infinity' AS TIMESTAMP)", "TIMESTAMP '0001-01-01 00:00:00'", "TIMESTAMP '9999-12-31 23:59:59.999999'", "TIMESTAMP '1969-12-31 23:59:59.999999'"}
	insert := func(table string, values ...string) {
		all = append(all, "INSERT INTO "+table+" VALUES ("+strings.Join(values, ", ")+")")
	}
	double := func(lo, hi int) string {
		return fmt.Sprintf("CAST('%d.%03d' AS DOUBLE PRECISION)", lo+r.next(hi-lo), r.next(1000))
	}
	for i := range 160 {
		patient := fmt.Sprint(1 + r.next(25))
		if wicked && i < 60 {
			patient = "1" // who has very many rows
		}
		if wicked {
			patient = value(patient, "NULL", patient, patient, "9223372036854775807", "CAST('-9223372036854775808' AS BIGINT)")
		}
		insert("visits", value(fmt.Sprint(i), "NULL", "7"), patient, value(fmt.Sprint(r.next(2)), append(ints, "7")...), value(fmt.Sprint(r.next(121)), ints...), value(double(30, 200), doubles...), value(double(0, 1), doubles...),
			value(fmt.Sprintf("%d.%02d", r.next(900), r.next(100)), "NULL", "-99999999.99", "99999999.99", "0.00"), value(pick(&r, "'alpha'", "'Beta'", "'gamma'", "'12'", "'x y'"), texts...), value(pick(&r, "'N'", "'S'", "'it''s'"), append(texts, `'E\'`)...),
			value(pick(&r, "TRUE", "FALSE"), "NULL"), value(fmt.Sprintf("DATE '20%02d-%02d-%02d'", r.next(30), 1+r.next(12), 1+r.next(28)), dates...), value(fmt.Sprintf("TIMESTAMP '19%02d-%02d-11 %02d:%02d:30.25'", 60+r.next(40), 1+r.next(12), r.next(24), r.next(60)), stamps...),
			value(fmt.Sprint(r.next(1000)), ints...), value(double(-5, 5), doubles...), "'hush'")
	}
	for range 80 {
		insert("bills", value(fmt.Sprint(r.next(160)), "NULL", "7"), value(fmt.Sprint(r.next(501)), ints...), value(pick(&r, "'drug'", "'bed'", "'lab'"), texts...))
	}
	for i := range 30 {
		patient := fmt.Sprint(1 + i%25)
		if !wicked && i >= 25 {
			break
		}
		insert("patients", value(patient, "NULL", patient), value(pick(&r, "'Rome'", "'Oslo'", "'Lima'"), texts...), value(fmt.Sprintf("DATE '19%02d-05-06'", 20+r.next(80)), dates...), value(double(1, 2), doubles...))
	}
	for _, c := range []string{"'Rome'", "'Oslo'", "'Lima'"} {
		insert("cities", c, pick(&r, "'south'", "'north'"), fmt.Sprint(r.next(1_000_000)))
		if wicked && c == "'Lima'" { // a key that is none
			insert("cities", c, "NULL", "NULL")
			insert("cities", c, "'south'", "9223372036854775807")
		}
	}
	for i := range 60 {
		insert("survey", fmt.Sprint(i), value(pick(&r, "'a'", "'b'", "'c'"), texts...), value(double(-999, 999), doubles...), value(fmt.Sprint(r.next(11)), ints[1:]...), value(pick(&r, "TRUE", "FALSE"), "NULL"))
	}
	return all
}
