import CVendorABI
import Glibc
import HCSModel
import HCSSystem

/// One NVIDIA device or MIG instance: matrix products through cuBLAS and a copy within its memory, timed by the device's
/// own events. Every product's result is checked. Runs in `MeasurementProgram`, on one thread.
///
/// Written against the public manuals (`measure_abi.h`) and never run on hardware.
final class CUDAMeasurement {
    private let driver: DynamicLibrary
    private var blasLibrary: DynamicLibrary?
    private var cu = hcs_cu_table()
    private var blas = hcs_cublas_table()
    private let search: LibrarySearch
    private let device: String
    private let memoryLimit: UInt64
    /// Seconds of one timed stretch, and when no other precision is begun.
    private let stretch: Double
    private let end: SuspendingClock.Instant

    private var ordinal: Int32 = 0
    private var stream: UnsafeMutableRawPointer?
    private var handle: UnsafeMutableRawPointer?
    private var began: UnsafeMutableRawPointer?
    private var ended: UnsafeMutableRawPointer?

    private static let optional: Set<String> = [
        "cuGetErrorName", "cuGetErrorString", "cuDeviceGetUuid", "cuDeviceGetUuid_v2",
    ]

    /// Opens the driver's library.
    init(
        _ search: LibrarySearch, device: String, milliseconds: UInt32, memoryLimit: UInt64
    ) throws(DeviceError) {
        self.search = search
        self.device = device
        self.memoryLimit = memoryLimit
        stretch = Double(milliseconds) / 1000 / 24
        end = SuspendingClock.now + .milliseconds(2 * Int(milliseconds) + 1000 * MeasurementLimits.startSeconds)
        driver = try search.open(
            names: [HCS_CU_LIBRARY],
            paths: ["/usr/lib64", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib/wsl/lib"].map {
                "\($0)/\(HCS_CU_LIBRARY)"
            })
        var table = hcs_cu_table()
        _ = hcs_cu_load(driver.handle, &table)
        let symbols = SymbolReport(
            library: HCS_CU_LIBRARY, count: hcs_cu_symbol_count(), name: { hcs_cu_symbol_name($0) },
            present: { hcs_cu_symbol_present(&table, $0) != 0 })
        try symbols.require(symbols.missing.filter { !Self.optional.contains($0) })
        cu = table
    }

    /// A precision that fails costs itself and a note.
    /// - Throws: where nothing can be measured at all.
    func run() throws(DeviceError) -> MeasuredFigures {
        // Nothing but the one device is seen, and so nothing but it is touched.
        setenv("CUDA_VISIBLE_DEVICES", device, 1)
        setenv("CUDA_CACHE_DISABLE", "1", 1)
        try check("cuInit", cu.`init`(0), .initFailed)
        try choose()
        var context: UnsafeMutableRawPointer?
        try check("cuDevicePrimaryCtxRetain", cu.primary_ctx_retain(&context, ordinal), .initFailed)
        defer { _ = cu.primary_ctx_release_v2(ordinal) }
        try check("cuCtxSetCurrent", cu.ctx_set_current(context), .initFailed)
        try check("cuStreamCreate", cu.stream_create(&stream, 0))
        defer { _ = cu.stream_destroy_v2(stream) }
        try check("cuEventCreate", cu.event_create(&began, 0))
        defer { _ = cu.event_destroy_v2(began) }
        try check("cuEventCreate", cu.event_create(&ended, 0))
        defer { _ = cu.event_destroy_v2(ended) }
        var figures = MeasuredFigures(method: try openBLAS())
        defer { _ = blas.destroy_v2(handle) }
        let budget = try budget()
        let capability =
            try attribute(HCS_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR) * 10
            + (try attribute(HCS_CU_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR))
        var first: DeviceError?
        for format in CUDAFormat.all where capability >= format.capability {
            do throws(DeviceError) {
                guard SuspendingClock.now < end else { throw DeviceError(.deadlineMissed, "no time left") }
                figures.tflops[format.precision] = try throughput(format, budget)
            } catch {
                first = first ?? error
                figures.notes.append("\(format.precision.rawValue): \(error.message)")
            }
        }
        do throws(DeviceError) { figures.bandwidthGBps = try bandwidth(budget) } catch {
            first = first ?? error
            figures.notes.append("memory bandwidth: \(error.message)")
        }
        if let first, figures.tflops.isEmpty, figures.bandwidthGBps == nil { throw first }
        return figures
    }
}

extension CUDAMeasurement {
    /// The only device there is now; it must be the one that was asked for.
    private func choose() throws(DeviceError) {
        var count: Int32 = 0
        try check("cuDeviceGetCount", cu.device_get_count(&count), .initFailed)
        guard count >= 1 else { throw DeviceError(.initFailed, "the CUDA driver does not show device \(device)") }
        try check("cuDeviceGet", cu.device_get(&ordinal, 0), .initFailed)
        var uuid = hcs_cu_uuid()
        if let read = cu.device_get_uuid_v2 {
            try check("cuDeviceGetUuid_v2", read(&uuid, ordinal), .initFailed)
        } else if device.hasPrefix("GPU-"), let read = cu.device_get_uuid {
            try check("cuDeviceGetUuid", read(&uuid, ordinal), .initFailed)
        } else {
            // Older than 11.4: the driver names an instance's card, and the variable alone says which it is.
            return
        }
        let found = withUnsafeBytes(of: uuid) { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let wanted = device.lowercased().drop { $0 != "-" }.filter { $0 != "-" }
        guard found == wanted else {
            throw DeviceError(.initFailed, "the CUDA driver shows another device than \(device)")
        }
    }

    /// Opens the newest cuBLAS that this driver serves. Returns its name and version.
    private func openBLAS() throws(DeviceError) -> String {
        var version: Int32 = 0
        try check("cuDriverGetVersion", cu.driver_get_version(&version))
        let names = [13, 12, 11].filter { $0 <= version / 1000 }.map { "libcublas.so.\($0)" }
        let places = ["/usr/local/cuda/lib64", "/opt/cuda/lib64", "/usr/lib64", "/usr/lib/x86_64-linux-gnu"]
        let library = try search.open(names: names, paths: names.flatMap { name in places.map { "\($0)/\(name)" } })
        var table = hcs_cublas_table()
        _ = hcs_cublas_load(library.handle, &table)
        let symbols = SymbolReport(
            library: library.name, count: hcs_cublas_symbol_count(), name: { hcs_cublas_symbol_name($0) },
            present: { hcs_cublas_symbol_present(&table, $0) != 0 })
        try symbols.require(symbols.missing)
        blas = table
        blasLibrary = consume library
        try check(blas: "cublasCreate_v2", blas.create_v2(&handle), .initFailed)
        try check(blas: "cublasSetStream_v2", blas.set_stream_v2(handle, stream))
        var number: Int32 = 0
        try check(blas: "cublasGetVersion_v2", blas.get_version_v2(handle, &number))
        return "cuBLAS \(number / 10_000).\(number / 100 % 100).\(number % 100)"
    }

    private func budget() throws(DeviceError) -> UInt64 {
        var free = 0
        var total = 0
        try check("cuMemGetInfo_v2", cu.mem_get_info_v2(&free, &total))
        return min(memoryLimit, UInt64(free) / 4)
    }

    private func attribute(_ number: Int) throws(DeviceError) -> Int32 {
        var value: Int32 = 0
        try check("cuDeviceGetAttribute", cu.device_get_attribute(&value, Int32(number), ordinal))
        return value
    }
}

// MARK: Matrix product

extension CUDAMeasurement {
    private static let sides = [8192, 4096, 2048, 1024, 512, 256, 128]

    /// TFLOPS of the best of three stretches.
    private func throughput(_ format: CUDAFormat, _ budget: UInt64) throws(DeviceError) -> Double {
        let sides = Self.sides.filter { UInt64(format.bytes(side: $0)) <= budget }
        guard let small = sides.first(where: { $0 <= 1024 }) else {
            throw DeviceError(.callFailed, "too little free device memory")
        }
        let probe = try withMatrices(format, small) { product throws(DeviceError) in
            _ = try seconds(of: 1, product)
            return try seconds(of: 1, product)
        }
        // The largest that takes no longer than a stretch, were it as slow as the small one.
        let side =
            sides.first { probe * Double($0 / small) * Double($0 / small) * Double($0 / small) <= stretch } ?? small
        return try withMatrices(format, side) { product throws(DeviceError) in
            _ = try seconds(of: 1, product)
            let once = try seconds(of: 1, product)
            let count = Int(min(2000, max(1, stretch / once)))
            var best = Double.infinity
            for _ in 0..<3 { best = min(best, try seconds(of: count, product)) }
            return 2 * Double(side) * Double(side) * Double(side) * Double(count) / best / 1e12
        }
    }

    /// Three square matrices and their product: c = a' b, columns first. The result is checked before `body` and after.
    private func withMatrices(
        _ format: CUDAFormat, _ side: Int, _ body: (() throws(DeviceError) -> Void) throws(DeviceError) -> Double
    ) throws(DeviceError) -> Double {
        let count = side * side
        let left = format.values(seed: 1)
        let right = format.values(seed: 2)
        let a = try allocate(count * format.inputBytes)
        defer { _ = cu.mem_free_v2(a) }
        let b = try allocate(count * format.inputBytes)
        defer { _ = cu.mem_free_v2(b) }
        let c = try allocate(count * format.outputBytes)
        defer { _ = cu.mem_free_v2(c) }
        try fill(a, count * format.inputBytes, with: left.bytes)
        try fill(b, count * format.inputBytes, with: right.bytes)
        let n = Int32(side)
        func product() throws(DeviceError) {
            let status = format.withScales { one, zero in
                blas.gemm_ex(
                    handle, Int32(HCS_CUBLAS_OP_T), Int32(HCS_CUBLAS_OP_N), n, n, n, one,
                    Self.pointer(a), format.input, n, Self.pointer(b), format.input, n, zero, Self.pointer(c),
                    format.output, n, format.compute, Int32(HCS_CUBLAS_GEMM_DEFAULT))
            }
            try check(blas: "cublasGemmEx", status)
        }
        func verify() throws(DeviceError) {
            for sample in 1...8 {
                let row = sample * 7919 % side
                let column = sample * 104_729 % side
                var element = [UInt8](repeating: 0, count: format.outputBytes)
                try check(
                    "cuMemcpyDtoH_v2",
                    cu.memcpy_dtoh_v2(
                        &element, c + UInt64((column * side + row) * format.outputBytes), format.outputBytes))
                let found = format.decode(element)
                guard format.accepts(found, left: left.numbers, right: right.numbers, row, column, side) else {
                    throw DeviceError(.callFailed, "the product is wrong: the device's results cannot be trusted")
                }
            }
        }
        try product()
        try check("cuStreamSynchronize", cu.stream_synchronize(stream))
        try verify()
        let result = try body(product)
        try verify()
        return result
    }

    private static func pointer(_ address: UInt64) -> UnsafeMutableRawPointer? {
        UnsafeMutableRawPointer(bitPattern: UInt(address))
    }
}

// MARK: Memory

extension CUDAMeasurement {
    /// GB/s of a copy, read and written bytes together.
    private func bandwidth(_ budget: UInt64) throws(DeviceError) -> Double {
        let bytes = Int(min(budget / 2, 1 << 30)) & ~0xffff
        let cache = Int(try attribute(HCS_CU_ATTRIBUTE_L2_CACHE_SIZE))
        guard bytes > 0, bytes >= 4 * cache else { throw DeviceError(.callFailed, "too little free device memory") }
        let from = try allocate(bytes)
        defer { _ = cu.mem_free_v2(from) }
        let to = try allocate(bytes)
        defer { _ = cu.mem_free_v2(to) }
        try fill(from, bytes, with: CUDAFormat.all[0].values(seed: 3).bytes)
        func copy() throws(DeviceError) {
            try check("cuMemcpyDtoDAsync_v2", cu.memcpy_dtod_async_v2(to, from, bytes, stream))
        }
        _ = try seconds(of: 1, copy)
        let count = Int(min(2000, max(1, stretch / (try seconds(of: 1, copy)))))
        var best = Double.infinity
        for _ in 0..<3 { best = min(best, try seconds(of: count, copy)) }
        return 2 * Double(bytes) * Double(count) / best / 1e9
    }

    private func allocate(_ bytes: Int) throws(DeviceError) -> UInt64 {
        var pointer: UInt64 = 0
        try check("cuMemAlloc_v2 of \(ByteCount(UInt64(bytes)))", cu.mem_alloc_v2(&pointer, bytes))
        return pointer
    }

    /// The block again and again: copied once, then doubled on the device.
    private func fill(_ pointer: UInt64, _ bytes: Int, with block: [UInt8]) throws(DeviceError) {
        var done = min(bytes, block.count)
        try check("cuMemcpyHtoD_v2", cu.memcpy_htod_v2(pointer, block, done))
        while done < bytes {
            let count = min(done, bytes - done)
            try check(
                "cuMemcpyDtoDAsync_v2", cu.memcpy_dtod_async_v2(pointer + UInt64(done), pointer, count, stream))
            done += count
        }
        try check("cuStreamSynchronize", cu.stream_synchronize(stream))
    }

    /// Device time of so many calls, one after the other.
    private func seconds(of count: Int, _ call: () throws(DeviceError) -> Void) throws(DeviceError) -> Double {
        try check("cuEventRecord", cu.event_record(began, stream))
        for _ in 0..<count { try call() }
        try check("cuEventRecord", cu.event_record(ended, stream))
        try check("cuEventSynchronize", cu.event_synchronize(ended))
        var milliseconds: Float = 0
        try check("cuEventElapsedTime", cu.event_elapsed_time(&milliseconds, began, ended))
        guard milliseconds > 0, milliseconds.isFinite else {
            throw DeviceError(.callFailed, "cuEventElapsedTime gave \(milliseconds) ms")
        }
        return Double(milliseconds) / 1000
    }
}

// MARK: Errors

extension CUDAMeasurement {
    private func check(
        _ call: String, _ result: Int32, _ code: DeviceError.Code = .callFailed
    ) throws(DeviceError) {
        guard result != 0 else { return }
        func text(_ read: ((Int32, UnsafeMutablePointer<UnsafePointer<CChar>?>?) -> Int32)?) -> String? {
            var pointer: UnsafePointer<CChar>?
            guard let read, read(result, &pointer) == 0, let pointer else { return nil }
            return PrintableText.clean(pointer: pointer)
        }
        let name = text(cu.get_error_name) ?? "CUresult \(result)"
        let words = text(cu.get_error_string).map { "\($0) (\(name))" } ?? name
        throw DeviceError(code, "\(call): \(words)", vendorCode: Int64(result))
    }

    private func check(
        blas call: String, _ status: Int32, _ code: DeviceError.Code = .callFailed
    ) throws(DeviceError) {
        guard status != 0 else { return }
        let words =
            switch Int(status) {
            case HCS_CUBLAS_NOT_INITIALIZED: "cuBLAS did not start on this device (CUBLAS_STATUS_NOT_INITIALIZED)"
            case HCS_CUBLAS_ALLOC_FAILED: "cuBLAS found too little device memory (CUBLAS_STATUS_ALLOC_FAILED)"
            case HCS_CUBLAS_INVALID_VALUE: "an argument is not accepted (CUBLAS_STATUS_INVALID_VALUE)"
            case HCS_CUBLAS_ARCH_MISMATCH: "the device's generation lacks it (CUBLAS_STATUS_ARCH_MISMATCH)"
            case HCS_CUBLAS_MAPPING_ERROR: "device memory could not be mapped (CUBLAS_STATUS_MAPPING_ERROR)"
            case HCS_CUBLAS_EXECUTION_FAILED: "the device failed while computing (CUBLAS_STATUS_EXECUTION_FAILED)"
            case HCS_CUBLAS_INTERNAL_ERROR: "cuBLAS failed inside (CUBLAS_STATUS_INTERNAL_ERROR)"
            case HCS_CUBLAS_NOT_SUPPORTED: "not supported by this device and cuBLAS (CUBLAS_STATUS_NOT_SUPPORTED)"
            case HCS_CUBLAS_LICENSE_ERROR: "a licence is missing (CUBLAS_STATUS_LICENSE_ERROR)"
            default: "cuBLAS status \(status)"
            }
        throw DeviceError(code, "\(call): \(words)", vendorCode: Int64(status))
    }
}
