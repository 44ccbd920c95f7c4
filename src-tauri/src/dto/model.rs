//! The model and the computer, for the page.

use super::error;
use visavis_app as app;
use visavis_ipc as ipc;

/// Where the model stands.
pub(crate) fn model_state(state: app::ModelState) -> ipc::ModelState {
    use app::ModelState as A;
    use ipc::ModelState as I;
    match state {
        A::None => I::None,
        A::Loading {
            model,
            done,
            total,
            eta_seconds,
        } => I::Loading {
            model: info(model),
            done,
            total,
            eta_seconds,
        },
        A::Ready { model, device: at } => I::Ready {
            model: info(model),
            device: device(at),
        },
        A::Failed { model, error: why } => I::Failed {
            model: info(model),
            error: error(why),
        },
    }
}

fn info(model: app::ModelInfo) -> ipc::ModelInfo {
    ipc::ModelInfo {
        id: model.id.to_string(),
        name: model.name,
        precision: model.precision,
        bytes: model.bytes,
        memory_bytes: model.memory_bytes,
        context: model.context,
        image_tokens: model.image_tokens,
        patch_grid: model.patch_grid,
        practice: model.practice,
    }
}

/// A model that was looked at.
pub(crate) fn found_model(found: app::FoundModel) -> ipc::FoundModel {
    let verdict = match found.fit.verdict {
        app::Verdict::Fits => ipc::FitVerdict::Fits,
        app::Verdict::Tight => ipc::FitVerdict::Tight,
        app::Verdict::TooLarge => ipc::FitVerdict::TooLarge,
    };
    ipc::FoundModel {
        model: info(found.model),
        location: found.location.display().to_string(),
        fit: ipc::Fit {
            verdict,
            needed_bytes: found.fit.needed_bytes,
            free_bytes: found.fit.free_bytes,
            total_bytes: found.fit.total_bytes,
        },
        problems: found.problems.into_iter().map(error).collect(),
        in_use: found.in_use,
    }
}

fn device(device: app::Device) -> ipc::DeviceInfo {
    ipc::DeviceInfo {
        id: device.id,
        kind: match device.kind {
            app::DeviceKind::Processor => ipc::DeviceKind::Processor,
            app::DeviceKind::GraphicsCard => ipc::DeviceKind::GraphicsCard,
            app::DeviceKind::AppleGraphics => ipc::DeviceKind::AppleGraphics,
        },
        name: device.name,
        problem: device.problem,
    }
}

/// The computer.
pub(crate) fn hardware(hardware: app::Hardware) -> ipc::Hardware {
    ipc::Hardware {
        processor: hardware.processor,
        cores: hardware.cores,
        memory_bytes: hardware.memory_bytes,
        free_memory_bytes: hardware.free_memory_bytes,
        free_disk_bytes: hardware.free_disk_bytes,
        devices: hardware.devices.into_iter().map(device).collect(),
    }
}
