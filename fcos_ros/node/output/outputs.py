# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All outputs of one camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack

from rclpy.lifecycle import LifecycleNode
from vision_msgs.msg import Detection2DArray

from fcos_ros.backends import ModelInfo
from fcos_ros.core.criteria import Criteria
from fcos_ros.core.labels import Labels
from fcos_ros.messages.detections import serialise_detections
from fcos_ros.node.output.annotated_image import AnnotatedImageOutput
from fcos_ros.node.output.foxglove_annotations import open_foxglove_annotations
from fcos_ros.node.output.messages import require_known_layout
from fcos_ros.node.output.perception_targets import open_perception_targets
from fcos_ros.node.output.publisher import FrameDetections, Output, OutputPublisher
from fcos_ros.node.output.vision_info import VersionCounter, VisionInfoPublisher
from fcos_ros.node.qos import queued_qos
from fcos_ros.settings.schema import Settings

OPTIONAL: Mapping[str, Callable[[LifecycleNode, str, ModelInfo], Output]] = {
    'perception_targets': open_perception_targets,
    'annotations': open_foxglove_annotations,
}
"""Outputs whose message packages may be missing, by the last part of their topic."""


class CameraOutputs:
    """
    The publishers of one camera, until `close`.

    :param prefix: prefix of the topics, such as '~/' or '~/front/'.
    :param versions: numbers the versions of labels and thresholds; see `VisionInfoPublisher`.
    :raises ValueError: the user's `qos_overrides` or the installed vision_msgs are not accepted.
    """

    def __init__(
        self, node: LifecycleNode, prefix: str, model: ModelInfo, versions: VersionCounter,
    ) -> None:
        self._labels = model.labels
        self._class_names: Labels | None = None
        require_known_layout()
        with ExitStack() as opened:  # closes the open publishers when another cannot be opened
            self._vision_info = VisionInfoPublisher(node, prefix, model, versions)
            opened.callback(self._vision_info.close)
            self._detections = OutputPublisher(
                node, Detection2DArray, f'{prefix}detections', queued_qos(),
                self._serialise)
            opened.callback(self._detections.close)
            self._annotated_image = AnnotatedImageOutput(node, prefix, model.labels)
            opened.callback(self._annotated_image.close)
            self._others: list[Output] = [self._annotated_image]
            for output in _open_optional(node, prefix, model):
                opened.callback(output.close)
                self._others.append(output)
            self._opened = opened.pop_all()

    def apply(self, settings: Settings, criteria: Criteria) -> None:
        """
        Use these settings for the next frames, and publish labels and thresholds.

        :param criteria: the criteria for decoding; no lower score is published.
        """
        self._vision_info.publish(criteria, settings.class_id)
        self._class_names = self._labels if settings.class_id == 'name' else None
        self._annotated_image.apply(settings, criteria.zones)

    def publish(self, found: FrameDetections) -> None:
        """Publish the detections of a frame, and the other outputs that have subscribers."""
        self._detections.publish(found)
        for output in self._others:
            _publish_if_wanted(output, found)

    def close(self) -> None:
        """Destroy all publishers."""
        self._opened.close()

    def _serialise(self, found: FrameDetections) -> bytes:
        return serialise_detections(found.detections, found.header, self._class_names)


def _open_optional(node: LifecycleNode, prefix: str, model: ModelInfo) -> Iterator[Output]:
    for name, open_output in OPTIONAL.items():
        try:
            output = open_output(node, prefix, model)
        except ModuleNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - a broken package that is not needed
            node.get_logger().warning(f'{prefix}{name} is not published: {error}')
        else:
            yield output


def _publish_if_wanted(output: Output, found: FrameDetections) -> None:
    try:
        if output.wanted():
            output.publish(found)
    except Exception as error:  # noqa: BLE001 - the detections were published already
        output.report(error)
