import CVendorABI
import HCSModel

extension NVMLCard {
    /// More lanes than this have one count of errors each: an answer holds so many figures.
    private static let lanesByKind = 18

    /// Finds the lanes by asking: the highest number differs from library to library (6, 12, 18, 36).
    func findLinks() -> [DeviceLink] {
        lanes = []
        var links: [DeviceLink] = []
        for lane in 0..<UInt32(DeviceDetails.linkLimit) {
            var up: UInt32 = 0
            let result = library.table.device_get_nv_link_state?(handle, lane, &up)
            guard let result, result != NVML_ERROR_INVALID_ARGUMENT, result != NVML_ERROR_FUNCTION_NOT_FOUND,
                !NVMLLibrary.isLost(result)
            else { break }
            guard result == NVML_SUCCESS else { continue }
            lanes.append(lane)
            links.append(describe(lane, isUp: up != 0))
        }
        let speeds = read(lanes.map { NVMLField(id: NVML_FIELD_NVLINK_SPEED, link: $0) })
        for (position, speed) in speeds.enumerated() {
            if let speed = speed?.value, speed > 0 { links[position].bandwidthGBps = speed / 1000 }
        }
        return links
    }

    private func describe(_ lane: UInt32, isUp: Bool) -> DeviceLink {
        let table = library.table
        var link = DeviceLink(kind: .nvlink, lane: Int(lane), up: isUp)
        var version: UInt32 = 0
        if table.device_get_nv_link_version?(handle, lane, &version) == NVML_SUCCESS, version > 0 {
            link.version = Int(exactly: version)
            link.bandwidthGBps = Self.bandwidth(version: version)
        }
        var type: UInt32 = .max
        if table.device_get_nv_link_remote_device_type?(handle, lane, &type) == NVML_SUCCESS {
            link.peer =
                switch Int32(truncatingIfNeeded: type) {
                case NVML_NVLINK_REMOTE_GPU: .device
                case NVML_NVLINK_REMOTE_SWITCH: .fabric
                case NVML_NVLINK_REMOTE_IBM_NPU: .host
                default: .unknown
                }
        }
        var peer = nvmlPciInfo_t()
        // A switch beyond the host's sight has an address of all ones.
        if table.device_get_nv_link_remote_pci_info_v2?(handle, lane, &peer) == NVML_SUCCESS, peer.domain != .max {
            link.peerAddress = PrintableText.clean(field: peer.busId).flatMap { PCIAddress($0) }
        }
        return link
    }

    /// GB/s in one direction, where the driver does not tell the speed. Beyond 4 libraries differ in what they count:
    /// generations, or releases (1.0, 2.0, 2.2, 3.0, 3.1, 4.0, …).
    private static func bandwidth(version: UInt32) -> Double? {
        switch version {
        case 1: 20
        case 2...4: 25
        default: nil
        }
    }

    func readLinks(into signals: inout SignalReadings) {
        guard !lanes.isEmpty else { return }
        for lane in lanes {
            signals[.linkUp, "\(lane)"] = number(.linkState(lane)) {
                library.table.device_get_nv_link_state?(handle, lane, &$0)
            }.map { $0 != 0 ? 1 : 0 }
        }
        for (lane, errors) in zip(lanes, errorsByField() ?? errorsByCounter()) where !errors.isEmpty {
            if lanes.count > Self.lanesByKind {
                signals[.linkErrors, "\(lane)"] = errors.values.reduce(0, +)
            } else {
                for (kind, count) in errors { signals[.linkErrors, "\(lane)/\(kind)"] = count }
            }
        }
    }

    /// From NVLink 4 on; nil where the driver has no such fields.
    private func errorsByField() -> [[String: Double]]? {
        let kinds = [
            (NVML_FIELD_NVLINK_REPLAY, "replay"), (NVML_FIELD_NVLINK_RECOVERY, "recovery"),
            (NVML_FIELD_NVLINK_CRC, "crc"),
        ]
        let readings = read(lanes.flatMap { lane in kinds.map { NVMLField(id: $0.0, link: lane) } })
        guard readings.contains(where: { $0 != nil }) else {
            for kind in kinds { refuse(.field(kind.0)) }
            return nil
        }
        return lanes.indices.map { position in
            var errors: [String: Double] = [:]
            for (offset, kind) in kinds.enumerated() {
                errors[kind.1] = readings[position * kinds.count + offset]?.value
            }
            return errors
        }
    }

    /// Before NVLink 4. CRC errors of flits and of data are one kind.
    private func errorsByCounter() -> [[String: Double]] {
        let kinds = [
            (NVML_NVLINK_ERROR_REPLAY, "replay"), (NVML_NVLINK_ERROR_RECOVERY, "recovery"),
            (NVML_NVLINK_ERROR_CRC_FLIT, "crc"), (NVML_NVLINK_ERROR_CRC_DATA, "crc"),
            (NVML_NVLINK_ERROR_ECC_DATA, "ecc"),
        ]
        return lanes.map { lane in
            var errors: [String: Double] = [:]
            for (counter, kind) in kinds {
                let count = wide(.linkErrors(lane, UInt32(counter))) {
                    library.table.device_get_nv_link_error_counter?(handle, lane, UInt32(counter), &$0)
                }
                if let count { errors[kind, default: 0] += Double(count) }
            }
            return errors
        }
    }
}
