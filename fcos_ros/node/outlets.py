# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All that is published for one camera."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from rclpy.lifecycle import LifecycleNode
from vision_msgs.msg import Detection2DArray

from fcos_ros.backends import ModelInfo
from fcos_ros.core.decode import Criteria
from fcos_ros.core.labels import Labels
from fcos_ros.node.annotations import Annotations
from fcos_ros.node.legend import Editions, Legend
from fcos_ros.node.messages import to_detection_array
from fcos_ros.node.outlet import Finding, Outlet
from fcos_ros.node.perception import Perception
from fcos_ros.node.pictures import Pictures
from fcos_ros.node.qos import every
from fcos_ros.node.settings import Settings


class Outlets:
    """
    The publishers of one camera, from construction to `close`.

    :param prefix: what comes before the names of the topics, such as '~/' or '~/front/'.
    :param editions: numbers what is told of the detections; see `Legend`.
    :raises ValueError: when a user's `qos_overrides` are not accepted.
    """

    def __init__(
        self, node: LifecycleNode, prefix: str, model: ModelInfo, editions: Editions,
    ) -> None:
        with ExitStack() as opened:  # what is open when another cannot be is closed again
            self._legend = Legend(node, prefix, model, editions)
            opened.callback(self._legend.close)
            self._arrays = Arrays(node, prefix, model.labels)
            opened.callback(self._arrays.close)
            self._pictures = Pictures(node, prefix, model.labels)
            opened.callback(self._pictures.close)
            self._extras: list[Outlet] = [self._pictures]
            for outlet in _installed(node, prefix, model):
                opened.callback(outlet.close)
                self._extras.append(outlet)
            self._opened = opened.pop_all()

    def apply(self, settings: Settings, criteria: Criteria) -> None:
        """
        Publish the frames to come in this way, and tell what their detections mean.

        :param criteria: what the frames are decoded with: nothing less is published.
        """
        self._legend.tell(criteria, settings.class_id)
        self._arrays.named = settings.class_id == 'name'
        self._pictures.apply(settings, criteria.zones)

    def publish(self, finding: Finding) -> None:
        """Publish what was found in a frame, and all else only where somebody listens."""
        self._arrays.publish(finding)
        for outlet in self._extras:
            _offer(outlet, finding)

    def close(self) -> None:
        """Publish no more."""
        self._opened.close()


class Arrays(Outlet):
    """
    `detections`: one message a frame, whether anybody listens or not.

    :ivar named: whether a class is written by its name, not its index.
    """

    def __init__(self, node: LifecycleNode, prefix: str, labels: Labels) -> None:
        super().__init__(node, Detection2DArray, f'{prefix}detections', every())
        self._labels = labels
        self.named = False

    def message(self, finding: Finding) -> Detection2DArray:
        """Say what was found in a frame."""
        labels = self._labels if self.named else None
        return to_detection_array(finding.detections, finding.header, labels)


def _installed(node: LifecycleNode, prefix: str, model: ModelInfo) -> Iterator[Outlet]:
    """Make the outlets whose messages may or may not be on this machine."""
    for kind in (Perception, Annotations):
        try:
            outlet = kind(node, prefix, model)
        except ModuleNotFoundError:
            continue
        except Exception as error:  # noqa: BLE001 - a broken package that is not needed
            node.get_logger().warning(f'{kind.__name__.lower()} will not be published: {error}')
        else:
            yield outlet


def _offer(outlet: Outlet, finding: Finding) -> None:
    try:
        if outlet.wanted():
            outlet.publish(finding)
    except Exception as error:  # noqa: BLE001 - the detections are out: the frame is not lost
        outlet.complain(error)
