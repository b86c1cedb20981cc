/// Number formats for which peak throughput is given.
package enum Precision: String, CaseIterable, Codable, Hashable, Sendable, CodingKeyRepresentable {
    case fp32, tf32, fp16, bf16, fp8, int8
}

/// What a device can do at best: dense peak throughput from the catalogue.
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
    package var confidence: Confidence
    package var source: String

    package init(tflops: [Precision: Double], confidence: Confidence, source: String) {
        self.tflops = tflops
        self.confidence = confidence
        self.source = source
    }

    package static let unknown = Fingerprint(tflops: [:], confidence: .unknown, source: "not in the catalogue")
}
