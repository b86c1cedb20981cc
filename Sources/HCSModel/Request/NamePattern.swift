/// Names in which `*` stands for any text, the empty one too; case does not matter.
package enum NamePattern {
    package static func matches(_ pattern: String, _ text: String) -> Bool {
        glob(Array(pattern.lowercased().utf8), Array(text.lowercased().utf8))
    }

    /// Whether every text that `narrow` matches is one that `wide` matches.
    package static func covers(_ wide: String, _ narrow: String) -> Bool {
        // A star of `narrow` stands for a letter that only a star of `wide` can take.
        let star: UInt8 = 0
        return glob(
            Array(wide.lowercased().utf8), narrow.lowercased().utf8.map { $0 == UInt8(ascii: "*") ? star : $0 })
    }

    /// Linear in the text for each star: it goes back to the last one only.
    private static func glob(_ pattern: [UInt8], _ text: [UInt8]) -> Bool {
        var p = 0
        var t = 0
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == UInt8(ascii: "*") {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                p += 1
                t += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == UInt8(ascii: "*") }
    }
}

/// Versions by the numbers in them: `535.104` is before `550`, `12.4` is `12.4.0`.
package enum DottedVersion {
    /// - Returns: below 0 where `a` is older, 0 where they are the same, above 0 where it is newer.
    package static func compare(_ a: String, _ b: String) -> Int {
        func numbers(_ text: String) -> [Int] {
            text.split(whereSeparator: { !$0.isASCII || !$0.isNumber }).map { Int($0) ?? .max }
        }
        let x = numbers(a)
        let y = numbers(b)
        for i in 0..<max(x.count, y.count) {
            let left = i < x.count ? x[i] : 0
            let right = i < y.count ? y[i] : 0
            if left != right { return left < right ? -1 : 1 }
        }
        return 0
    }
}
