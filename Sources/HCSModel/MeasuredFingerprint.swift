/// What a device did in a matrix product and in a copy within its own memory, once.
package struct MeasuredFingerprint: Hashable, Sendable, Codable {
    /// TFLOPS (TOPS for integers). Empty with a note: the attempt failed.
    package var tflops: [Precision: Double]
    package var bandwidthGBps: Double?
    /// Library and version, or the vector unit and the threads.
    package var method: String
    /// The driver it was measured with; another driver makes it void.
    package var driverVersion: String?
    /// The device's highest clock at that time, which an operator may lower.
    package var maximumClockMHz: UInt32?
    package var atMilliseconds: Int64
    /// Why a figure is absent, one sentence each.
    package var notes: [String]
    package var simulated: Bool

    package init(
        tflops: [Precision: Double], bandwidthGBps: Double? = nil, method: String, driverVersion: String? = nil,
        maximumClockMHz: UInt32? = nil, atMilliseconds: Int64, notes: [String] = [], simulated: Bool
    ) {
        self.tflops = tflops
        self.bandwidthGBps = bandwidthGBps
        self.method = method
        self.driverVersion = driverVersion
        self.maximumClockMHz = maximumClockMHz
        self.atMilliseconds = atMilliseconds
        self.notes = notes
        self.simulated = simulated
    }

    package var isEmpty: Bool { tflops.isEmpty && bandwidthGBps == nil }

    /// As `Fingerprint`: what this version does not know is left out.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        tflops = Precision.known(try container.decode([String: Double].self, forKey: .tflops))
        bandwidthGBps = try container.decodeIfPresent(Double.self, forKey: .bandwidthGBps)
        method = try container.decode(String.self, forKey: .method)
        driverVersion = try container.decodeIfPresent(String.self, forKey: .driverVersion)
        maximumClockMHz = try container.decodeIfPresent(UInt32.self, forKey: .maximumClockMHz)
        atMilliseconds = try container.decode(Int64.self, forKey: .atMilliseconds)
        notes = try container.decode([String].self, forKey: .notes)
        simulated = try container.decode(Bool.self, forKey: .simulated)
    }
}
