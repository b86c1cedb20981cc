import CHCSMeasure
import Glibc
import HCSModel
import HCSSystem

/// The processors: matrix product and triad of `hcs_measure.h`.
enum CPUMeasurement {
    static func measure(_ milliseconds: UInt32, memoryLimit: UInt64) throws(DeviceError) -> MeasuredFigures {
        var found = hcs_measure_cpu()
        let result = hcs_measure_run(nil, milliseconds, memoryLimit, &found)
        guard result == 0 else {
            throw DeviceError(
                .callFailed,
                result == -EIO
                    ? "the processors computed a wrong product: their results cannot be trusted"
                    : "the processors could not be measured: \(SystemError.text(of: -result))")
        }
        let unit = PrintableText.clean(field: found.unit) ?? "vector unit"
        var figures = MeasuredFigures(method: "\(unit), \(found.threads) thread\(found.threads == 1 ? "" : "s")")
        figures.tflops = [.fp32: found.fp32_tflops, .fp64: found.fp64_tflops]
        if found.bandwidth_gbps > 0 {
            figures.bandwidthGBps = found.bandwidth_gbps
        } else {
            figures.notes.append(
                "memory bandwidth: too little free memory for arrays beyond the caches' \(ByteCount(found.cache_bytes))"
            )
        }
        return figures
    }
}
