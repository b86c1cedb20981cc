import Foundation
import HCSModel

/// How values of the model are written for people.
enum Format {
    static let none = "-"

    static func bytes(_ count: ByteCount?) -> String { count.map { $0.bytes == 0 ? "0" : "\($0)" } ?? none }

    /// Names come from vendor libraries and from submitters: a control character must not move the cursor.
    static func printable(_ text: String) -> String { TextTable.Cell(text).text }

    /// Lines of at most `width` characters, broken at blanks; a word that is longer stands alone.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }

    static func tflops(_ value: Double?) -> String {
        guard let value, value.isFinite, value >= 0, value < 1e9 else { return none }
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }

    /// Three digits that count: `0.0512`, `1.83`, `1234`.
    static func figure(_ value: Double) -> String {
        guard value.isFinite, value != 0 else { return value == 0 ? "0" : none }
        let size = abs(value)
        guard size >= 1e-4, size < 1e9 else { return String(format: "%.2e", value) }
        var places = 0
        while places < 6, size * pow(10, Double(places)) < 99.95 { places += 1 }
        return String(format: "%.\(places)f", value)
    }

    static func health(_ health: DeviceHealth) -> String {
        health.score.map { "\($0) \(health.band.rawValue)" } ?? health.band.rawValue
    }

    /// `1.2s`, `3m 05s`, `2h 10m`, `4d 3h`: two units at most.
    static func duration(milliseconds: Int64) -> String {
        func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let ms = max(0, milliseconds)
        let seconds = ms / 1000
        switch seconds {
        case ..<10: return "\(seconds).\(ms % 1000 / 100)s"
        case ..<60: return "\(seconds)s"
        case ..<3600: return "\(seconds / 60)m \(two(seconds % 60))s"
        case ..<86400: return "\(seconds / 3600)h \(two(seconds % 3600 / 60))m"
        default: return "\(seconds / 86400)d \(seconds % 86400 / 3600)h"
        }
    }
}
