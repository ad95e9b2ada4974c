package main

import "k8s.io/apimachinery/pkg/api/resource"

// quantityVector is how one text parses: Value and MilliValue round up, canonical is the text that the API shows.
type quantityVector struct {
	In         string `json:"in"`
	OK         bool   `json:"ok"`
	Value      int64  `json:"value"`
	MilliValue int64  `json:"milliValue"`
	Canonical  string `json:"canonical"`
}

// quantityNumbers are combined with every suffix.
var quantityNumbers = []string{
	"0", "-0", "1", "-1", "+7", "007", ".5", "-.5", "5.", "1.5", "-1.5", "0.1", "1.001", "1.9995", "0.0001",
	"0.0000000001", "-0.0000000001", "123456789", "1023", "1024", "1536", "9007199254740993", "9223372036854775807",
	"9223372036854775808", "-9223372036854775809", "12345678901234567890.123456789012",
}

var quantitySuffixes = []string{
	"", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
	"e0", "e3", "e-3", "E3", "E-9", "e+2", "e1", "e18", "e-10", "E19",
}

// quantityTexts stand alone: most of them do not parse.
var quantityTexts = []string{
	"", " ", "+", "-", ".", "-.", "+.", "--1", "+-1", "1 ", " 1", "1 Ki", "1\n", "1,5", "1.5.5", "1_000", "0x10", "1e", "1E",
	"1e+", "1e-", "1e3.5", "1e3k", "1e3Ki", "1K", "1ki", "1KI", "1kI", "1mi", "1b", "1Kib", "1B", "1g", "1t", "1p", "1z", "1Zi",
	"1Yi", "1mm", "1mKi", "1µ", "１", "1i", "i", "Ki", "m", "k", "NaN", "Inf", "-Inf", "infinity", "true", "1/2", "1%",
	"1e308", "1e-308", "1e100", "-1e100", "1e-100", "1e9223372036854775808", "0e100", "0E-5",
	"99999999999999999999", "99999999999999999999m", "999999999999999999.9999999999", "1000000000000000000000000000000n",
	"0.000000000000000000000000000001", "1.00000000000000000000000000001", "000000000000000000000000000001Ki", "+.5Gi", "-5.Mi",
	"8191Pi", "8192Pi", "7Ei", "8Ei", "9Ei", "9E", "10E", "-8Ei", "-10E", "100m", "1500m", "999m", "1001m", "1000000n", "1000001n",
	"0.1Ki", "0.3Mi", "1.1Gi", "0.9765625Ki", "0.0009765625Mi", "250m", "2.5", "3.14159", "1e-1", "12e-1", "15e-1k", "1.2345e3",
	"1000k", "1000000", "1048576", "1048577", "1073741824", "5497558138880", "100k", "1000m", "10000m", "2000u", "2500u",
	"4611686018427387904", "9223372036854775", "9223372036854776", "9223372036854775.807", "9223372036854775.808",
	"-9223372036854775.809", "9223372036854775807m", "9223372036854775808m", "9223372036854775807n", "92233720368547758079n",
}

func quantityVectors() ([]byte, error) {
	texts := append([]string{}, quantityTexts...)
	for _, number := range quantityNumbers {
		for _, suffix := range quantitySuffixes {
			texts = append(texts, number+suffix)
		}
	}
	list := make([]quantityVector, 0, len(texts))
	for _, text := range texts {
		vector := quantityVector{In: text}
		if quantity, err := resource.ParseQuantity(text); err == nil {
			vector.OK = true
			vector.Value, vector.MilliValue = quantity.Value(), quantity.MilliValue()
			vector.Canonical = quantity.String()
		}
		list = append(list, vector)
	}
	return jsonLines(list)
}
