package import HCSModel

/// Device memory that is promised to nobody. A process's context and modules (a CUDA context has some 300 to 500 MiB) are
/// charged to no quota and counted only when they have been measured: without a margin, a device whose memory is promised
/// to the last byte would deny its last workload what that was promised.
package struct DeviceMargin: Hashable, Sendable {
    /// Of each device; nil = 512 MiB, on small devices the fiftieth part.
    package var fixed: ByteCount?

    package init(fixed: ByteCount? = nil) { self.fixed = fixed }

    package func of(_ device: Device) -> ByteCount {
        min(fixed ?? min(.mebibytes(512), ByteCount(device.memory.bytes / 50)), device.memory)
    }
}
