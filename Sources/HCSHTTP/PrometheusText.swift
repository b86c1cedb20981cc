/// The Prometheus text format, version 0.0.4.
package enum PrometheusText {
    package static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    /// One line of a family.
    package struct Line: Sendable {
        /// `_bucket`, `_sum`, `_count` of a histogram.
        var suffix: String
        /// As `labels` renders them.
        var labels: String
        var value: Double

        package init(suffix: String = "", labels: String = "", value: Double) {
            self.suffix = suffix
            self.labels = labels
            self.value = value
        }
    }

    /// One metric with its lines; empty without any.
    package static func family(_ name: String, kind: String, help: String, _ lines: [Line]) -> String {
        guard !lines.isEmpty else { return "" }
        var text = "# HELP \(name) \(escape(help, quotes: false))\n# TYPE \(name) \(kind)\n"
        for line in lines {
            text += name + line.suffix + (line.labels.isEmpty ? "" : "{\(line.labels)}") + " \(number(line.value))\n"
        }
        return text
    }

    package static func labels(_ labels: [(name: String, value: String)]) -> String {
        labels.map { "\($0.name)=\"\(escape($0.value, quotes: true))\"" }.joined(separator: ",")
    }

    package static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value > 0 ? "+Inf" : "-Inf" }
        return value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }

    /// By Unicode scalars: a quotation mark with an accent on it is one `Character` and still ends the value.
    private static func escape(_ text: String, quotes: Bool) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": result.append(contentsOf: #"\\"#.unicodeScalars)
            case "\n": result.append(contentsOf: #"\n"#.unicodeScalars)
            case "\"" where quotes: result.append(contentsOf: #"\""#.unicodeScalars)
            default: result.append(scalar)
            }
        }
        return String(result)
    }
}
