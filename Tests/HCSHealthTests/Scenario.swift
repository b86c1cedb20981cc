import Foundation
import HCSHealth
import HCSModel
import Yams

/// A file of `Scenarios/`: evidence over time on simulated hosts, and the scores that must follow.
struct Scenario: Decodable {
    /// `10s`, `5m`, `2h`, `3d`, in milliseconds.
    struct Time: Decodable, Comparable {
        let milliseconds: Int64

        init(from decoder: any Decoder) throws {
            let text = try decoder.singleValueContainer().decode(String.self)
            let units: [Character: Double] = ["s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
            guard let unit = text.last.flatMap({ units[$0] }), let value = Double(text.dropLast()) else {
                throw DecodingError.dataCorrupted(
                    .init(codingPath: decoder.codingPath, debugDescription: "'\(text)' is no time"))
            }
            milliseconds = Int64(value * unit)
        }

        static func < (a: Time, b: Time) -> Bool { a.milliseconds < b.milliseconds }
    }

    struct Card: Decodable {
        var id: String
        var vendor: Vendor
        var pci: String
        var model: String?
        /// Lane by lane, the address of the other end.
        var links: [String]?
    }

    /// What the samples of these devices say in this time; later ones win over earlier ones.
    struct Segment: Decodable {
        var from: Time?
        var to: Time?
        /// Nil = all.
        var devices: [String]?
        /// By signal; two numbers are a straight line from the one to the other.
        var signals: [String: Value]?
        var health: DeviceSample.VendorHealth?
        var codes: [String]?
        var processes: [Int32]?
        /// GiB that the driver counts.
        var used: UInt64?
        /// No samples.
        var silent: Bool?

        enum Value: Decodable {
            case constant(Double)
            case ramp(Double, Double)

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                if let ends = try? container.decode([Double].self), ends.count == 2 {
                    self = .ramp(ends[0], ends[1])
                } else {
                    self = .constant(try container.decode(Double.self))
                }
            }
        }
    }

    /// Something that happens once, or `times` times.
    struct Event: Decodable {
        var at: Time
        var every: Time?
        var times: Int?
        var fault: FaultText?
        var host: HostText?
        var missed: Int?
        var answer: Double?
        var vendor: Vendor?
        /// The agent starts anew from what it had written; with another boot.
        var restart: Bool?
        var reboot: Bool?
        var setHealthy: String?
    }

    struct FaultText: Decodable {
        var code: String
        var pci: String?
        var message: String?
        var record: String?
        var job: String?
        var source: String?
    }

    struct HostText: Decodable {
        var kind: String
        var severity: String?
        var count: UInt64?
        var devices: [String]?
        var pid: Int32?
        var seconds: Double?
        var subject: String?
        var message: String?
    }

    /// A point of the curve. `node` instead of a device is the node's own score.
    struct Point: Decodable {
        var at: Time
        var device: String?
        /// Nil = unknown.
        var score: Int?
        var band: HealthBand
        /// The reasons' factors, worst first; nil = not looked at.
        var factors: [String]?
        /// Of the first reason.
        var advice: String?
        var code: String?
    }

    var what: String
    /// Laid over the built-in one.
    var policy: String?
    var sampleSeconds: Double?
    var devices: [Card]
    var samples: [Segment]
    var events: [Event]?
    var expect: [Point]

    static var directory: URL {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")
    }

    static var names: [String] {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: directory.path)) ?? []
        return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }

    static func load(_ name: String) throws -> Scenario {
        let text = try String(contentsOf: directory.appending(path: "\(name).yaml"), encoding: .utf8)
        return try YAMLDecoder().decode(Scenario.self, from: text)
    }
}
