package import HCSModel

extension WorkloadClass {
    /// How much of a class's speed follows the matrix units of the precision; the rest follows memory bandwidth. Judgement
    /// along the roofline model (Williams, Waterman, Patterson, CACM 52(4), 2009): training and prefill work on whole
    /// batches and sequences, far above the ridge of today's cards; decode reads every weight for each token of a batch, far
    /// below it; embedding models are small, and their batches short. Not 1 and 0, because no work is of one kind only.
    package var computeWeight: Double {
        switch self {
        case .training: 0.8
        case .prefill: 0.9
        case .decode: 0.1
        case .embedding: 0.7
        }
    }

    /// The two are 1 together.
    package var bandwidthWeight: Double { ((1 - computeWeight) * 100).rounded() / 100 }
}

extension Precision {
    /// The card whose data-sheet TFLOPS are the unit of what a request asks for: one TFLOPS of a class is what this card
    /// does in that class, divided by its figure. NVIDIA's data sheets: A100 80 GB SXM, and for FP8, which that lacks,
    /// H100 SXM.
    package var unitCard: (name: String, tflops: Double, bandwidthGBps: Double) {
        switch self {
        case .fp64, .fp32: ("NVIDIA A100-SXM4-80GB", 19.5, 2039)
        case .tf32: ("NVIDIA A100-SXM4-80GB", 156, 2039)
        case .fp16, .bf16: ("NVIDIA A100-SXM4-80GB", 312, 2039)
        case .int8: ("NVIDIA A100-SXM4-80GB", 624, 2039)
        case .fp8: ("NVIDIA H100 80GB HBM3", 1979, 3350)
        }
    }
}

extension Fingerprint.Confidence {
    /// How far a figure may be off, as the standard deviation of its logarithm. Judgement: third parties differ by a fifth
    /// on the same card, an estimate knows no matrix unit.
    var deviation: Double {
        switch self {
        case .datasheet: 0.05
        case .derived: 0.1
        case .thirdParty: 0.2
        case .estimated: 0.5
        case .unknown: 1
        }
    }
}
