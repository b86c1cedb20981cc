import Foundation
import HCSModel
import HCSTestSupport
import Testing

/// A copy of a simulated library, in a directory of its own, that lacks some of its functions: their names are made
/// unreadable for the loader.
struct ReducedLibrary {
    let directory: TemporaryDirectory

    init(_ path: String, without names: [String]) throws {
        directory = try TemporaryDirectory()
        var bytes = try Data(contentsOf: URL(filePath: path))
        for name in names {
            let entry = Data([0] + name.utf8 + [0])
            var found = bytes.startIndex
            var replaced = 0
            while let range = bytes.range(of: entry, in: found..<bytes.endIndex) {
                bytes[range.lowerBound + 1] = UInt8(ascii: "-")
                found = range.upperBound - 1
                replaced += 1
            }
            try #require(replaced > 0, "\(path) has no '\(name)'")
        }
        let copy = URL(filePath: directory.file(URL(filePath: path).lastPathComponent))
        try bytes.write(to: copy)
    }
}

/// What a sample's signals are instead of what was expected, in words; empty where they are equal.
func differences(_ sample: DeviceSample?, _ expected: [String: Double]) -> [String] {
    guard let sample else { return ["no sample"] }
    let found = Dictionary(uniqueKeysWithValues: sample.signals.values.map { ($0.key.description, $0.value) })
    return Set(found.keys).union(expected.keys).sorted().filter { found[$0] != expected[$0] }.map {
        "\($0) is \(found[$0].map { "\($0)" } ?? "absent"), not \(expected[$0].map { "\($0)" } ?? "absent")"
    }
}
