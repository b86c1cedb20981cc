/// Number formats for which peak throughput is given.
package enum Precision: String, CaseIterable, Codable, Hashable, Sendable, CodingKeyRepresentable {
    case fp64, fp32, tf32, fp16, bf16, fp8, int8
}

/// What a device can do at best, dense: the catalogue's figures, and what it was measured to do.
package struct Fingerprint: Hashable, Sendable, Codable {
    /// How far a figure can be trusted, from best to worst.
    package enum Confidence: String, Codable, Hashable, Sendable {
        case datasheet  // the vendor's published figure
        case derived  // cores x clock from the vendor's own tables
        case thirdParty  // reviews and secondary tables
        case estimated  // cores x clock as the library reports them
        case unknown
    }

    /// Dense TFLOPS (TOPS for integers) by precision. A precision the device lacks or nobody published is absent.
    package var tflops: [Precision: Double]
    /// Of the device's own memory.
    package var bandwidthGBps: Double?
    /// Of the whole card; a part of one has none.
    package var tdpWatts: Double?
    package var confidence: Confidence
    package var source: String
    /// Nil: never measured with this driver.
    package var measured: MeasuredFingerprint?

    package init(
        tflops: [Precision: Double], bandwidthGBps: Double? = nil, tdpWatts: Double? = nil, confidence: Confidence,
        source: String, measured: MeasuredFingerprint? = nil
    ) {
        self.tflops = tflops
        self.bandwidthGBps = bandwidthGBps
        self.tdpWatts = tdpWatts
        self.confidence = confidence
        self.source = source
        self.measured = measured
    }

    package static let unknown = Fingerprint(tflops: [:], confidence: .unknown, source: "not in the catalogue")

    /// A precision this version does not know is left out: a newer agent may report one.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        tflops = Precision.known(try container.decode([String: Double].self, forKey: .tflops))
        bandwidthGBps = try container.decodeIfPresent(Double.self, forKey: .bandwidthGBps)
        tdpWatts = try container.decodeIfPresent(Double.self, forKey: .tdpWatts)
        confidence = try container.decode(Confidence.self, forKey: .confidence)
        source = try container.decode(String.self, forKey: .source)
        measured = try container.decodeIfPresent(MeasuredFingerprint.self, forKey: .measured)
    }
}

extension Fingerprint {
    /// Measured of theoretical throughput; nil where either is not known.
    package func measuredShare(of precision: Precision) -> Double? {
        guard let peak = tflops[precision], peak > 0, let measured = measured?.tflops[precision] else { return nil }
        return measured / peak
    }

    /// The best of all precisions: a library may lack a good kernel for one of them, a slow device is slow in all.
    package var measuredComputeShare: Double? { tflops.keys.compactMap { measuredShare(of: $0) }.max() }

    package var measuredBandwidthShare: Double? {
        guard let peak = bandwidthGBps, peak > 0, let measured = measured?.bandwidthGBps else { return nil }
        return measured / peak
    }
}

extension Precision {
    static func known(_ figures: [String: Double]) -> [Precision: Double] {
        Dictionary(
            uniqueKeysWithValues: figures.compactMap { name, value in Precision(rawValue: name).map { ($0, value) } })
    }
}
