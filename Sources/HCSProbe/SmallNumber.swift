internal import HCSSystem

/// Files of sysfs that hold one number.
enum SmallNumber {
    /// nil for a file that is not there, cannot be read or holds something else.
    static func read<Number: FixedWidthInteger>(_ path: String, as type: Number.Type = UInt64.self) -> Number? {
        guard let text = try? SmallFile.text(path, limit: 4096),
            let word = text.split(whereSeparator: \.isWhitespace).first
        else { return nil }
        return Number(word)
    }
}
