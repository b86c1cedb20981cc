import CVendorABI
import HCSModel

/// How one precision is measured through cublasGemmEx (cuBLAS library guide, table of supported types), with test values
/// that every format holds exactly: whole numbers below 128, divided by 128 in the floating ones, so that a sum overflows
/// none. Random, since constant ones make a device faster than any work does.
struct CUDAFormat {
    let precision: Precision
    let input: Int32
    let output: Int32
    let compute: Int32
    let inputBytes: Int
    let outputBytes: Int
    /// Least compute capability, ten times the major part plus the minor.
    let capability: Int32

    /// Double precision last: it is the slowest on most cards.
    static let all = [
        CUDAFormat(.fp32, HCS_CUDA_R_32F, HCS_CUDA_R_32F, HCS_CUBLAS_COMPUTE_32F, 4, 4, 30),
        CUDAFormat(.tf32, HCS_CUDA_R_32F, HCS_CUDA_R_32F, HCS_CUBLAS_COMPUTE_32F_FAST_TF32, 4, 4, 80),
        CUDAFormat(.fp16, HCS_CUDA_R_16F, HCS_CUDA_R_16F, HCS_CUBLAS_COMPUTE_32F, 2, 2, 53),
        CUDAFormat(.bf16, HCS_CUDA_R_16BF, HCS_CUDA_R_16BF, HCS_CUBLAS_COMPUTE_32F, 2, 2, 80),
        CUDAFormat(.int8, HCS_CUDA_R_8I, HCS_CUDA_R_32I, HCS_CUBLAS_COMPUTE_32I, 1, 4, 61),
        CUDAFormat(.fp64, HCS_CUDA_R_64F, HCS_CUDA_R_64F, HCS_CUBLAS_COMPUTE_64F, 8, 8, 30),
    ]

    private init(
        _ precision: Precision, _ input: Int, _ output: Int, _ compute: Int, _ inputBytes: Int, _ outputBytes: Int,
        _ capability: Int32
    ) {
        self.precision = precision
        self.input = Int32(input)
        self.output = Int32(output)
        self.compute = Int32(compute)
        self.inputBytes = inputBytes
        self.outputBytes = outputBytes
        self.capability = capability
    }

    func bytes(side: Int) -> Int { side * side * (2 * inputBytes + outputBytes) }

    /// One block of a matrix: its bytes on the device, and its numbers.
    func values(seed: UInt64) -> (bytes: [UInt8], numbers: [Double]) {
        let count = (1 << 18) / inputBytes
        var numbers: [Double] = []
        var bytes: [UInt8] = []
        numbers.reserveCapacity(count)
        bytes.reserveCapacity(count * inputBytes)
        var state = seed &* 0x9E37_79B9_7F4A_7C15
        for _ in 0..<count {
            // xorshift64
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            let whole = max(-127, Int8(truncatingIfNeeded: state >> 32))
            numbers.append(precision == .int8 ? Double(whole) : Double(whole) / 128)
            encode(whole, into: &bytes)
        }
        return (bytes, numbers)
    }

    private func encode(_ whole: Int8, into bytes: inout [UInt8]) {
        func append(_ value: some FixedWidthInteger) { withUnsafeBytes(of: value.littleEndian) { bytes += $0 } }
        let value = Float(whole) / 128
        switch precision {
        case .fp64: append((Double(whole) / 128).bitPattern)
        case .fp16: append(Float16(value).bitPattern)
        case .bf16: append(UInt16(truncatingIfNeeded: value.bitPattern >> 16))
        case .int8: append(UInt8(bitPattern: whole))
        case .fp32, .tf32, .fp8: append(value.bitPattern)
        }
    }

    /// A number of the result.
    func decode(_ bytes: [UInt8]) -> Double {
        let bits = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return switch precision {
        case .fp64: Double(bitPattern: bits)
        case .fp16: Double(Float16(bitPattern: UInt16(truncatingIfNeeded: bits)))
        case .bf16: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits) << 16))
        case .int8: Double(Int32(truncatingIfNeeded: bits))
        case .fp32, .tf32, .fp8: Double(Float(bitPattern: UInt32(truncatingIfNeeded: bits)))
        }
    }

    /// Whether `found` is element (row, column) of the product, within what rounding the result and adding up in the
    /// compute type may cost.
    func accepts(_ found: Double, left: [Double], right: [Double], _ row: Int, _ column: Int, _ side: Int) -> Bool {
        var sum = 0.0
        var magnitude = 0.0
        for k in 0..<side {
            let product = left[(row * side + k) % left.count] * right[(column * side + k) % right.count]
            sum += product
            magnitude += abs(product)
        }
        let (rounding, adding) =
            switch precision {
            case .fp64: (1e-14, 1e-12)
            case .int8: (0.0, 0.0)
            case .fp16: (1.0 / 1024, 1e-4)
            case .bf16: (1.0 / 128, 1e-4)
            case .fp32, .tf32, .fp8: (1e-6, 1e-4)
            }
        return abs(found - sum) <= rounding * abs(sum) + adding * magnitude
    }

    /// 1 and 0 in the type that the compute type wants its scales in.
    func withScales<Result>(_ body: (UnsafeRawPointer, UnsafeRawPointer) -> Result) -> Result {
        func with<Scale>(_ one: Scale, _ zero: Scale) -> Result {
            withUnsafePointer(to: one) { one in withUnsafePointer(to: zero) { zero in body(one, zero) } }
        }
        return switch precision {
        case .fp64: with(1.0, 0.0)
        case .int8: with(Int32(1), Int32(0))
        case .fp32, .tf32, .fp16, .bf16, .fp8: with(Float(1), Float(0))
        }
    }
}
