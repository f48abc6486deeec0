# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our message packages equal those of upstream, so nodes of other machines can use them."""

import importlib
import json
from pathlib import Path
import shutil

from ai_msgs.msg import PerceptionTargets, Roi, Target
from ament_index_python.packages import get_package_share_directory
from hbm_img_msgs.msg import HbmMsg480P, HbmMsg1080P
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile
from vision_msgs.msg import (
    BoundingBox2D,
    Detection2D,
    Detection2DArray,
    ObjectHypothesis,
    ObjectHypothesisWithPose,
    Point2D,
    Pose2D,
)
from waiting import wait_until

from tools.message_wheel import Package, TypeHashError, WheelBuilder, message_packages
from tools.setup import MESSAGES

UPSTREAM = {
    Detection2DArray:
        'RIHS01_214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    HbmMsg1080P:
        'RIHS01_1263d0508f3b2fbb44e26287d0e91c665716cd6f49c3f8bb955952c47084de01',
    PerceptionTargets:
        'RIHS01_7f64442bc06e30e9a598d7d6f7b9a49ce300c139de19c3dabc8fb96bd4fc2773',
}
"""The type hashes in the graph for nodes that use the upstream packages."""

PACKAGES = sorted(path.name for path in MESSAGES.iterdir() if path.is_dir())


@pytest.fixture
def node():
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node('types', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize('message', UPSTREAM, ids=lambda message: message.__name__)
def test_the_type_hash_in_the_graph_is_that_of_upstream(node, message):
    node.create_publisher(message, 'topic', 1)
    announced, = node.get_publishers_info_by_topic('/topic')
    assert str(announced.topic_type_hash) == UPSTREAM[message]


@pytest.mark.parametrize('package', PACKAGES)
def test_the_hashes_of_all_installed_types_are_those_of_upstream(package):
    upstream = json.loads((MESSAGES / 'type_hashes.json').read_text())
    share = Path(get_package_share_directory(package))
    installed = {hashed['type_name']: hashed['hash_string']
                 for file in share.glob('msg/*.json')
                 for hashed in json.loads(file.read_text())['type_hashes']
                 if hashed['type_name'].startswith(f'{package}/')}
    expected = {name: known for name, known in upstream.items() if name.startswith(f'{package}/')}
    assert installed == expected


@pytest.mark.parametrize('package', PACKAGES)
def test_every_type_can_be_imported_and_constructed(package):
    messages = importlib.import_module(f'{package}.msg')
    for file in MESSAGES.glob(f'{package}/msg/*.msg'):
        getattr(messages, file.stem)()


@pytest.mark.parametrize('message', [
    pytest.param(Detection2DArray(detections=[Detection2D(
        id='7',
        bbox=BoundingBox2D(center=Pose2D(position=Point2D(x=1.5, y=2.5)), size_x=3.0, size_y=4.0),
        results=[ObjectHypothesisWithPose(hypothesis=ObjectHypothesis(
            class_id='person', score=0.75))])]), id='Detection2DArray'),
    pytest.param(HbmMsg480P(index=3, width=640, data=np.arange(921600).astype(np.uint8)),
                 id='HbmMsg480P'),
    pytest.param(PerceptionTargets(fps=30, targets=[Target(
        type='person', rois=[Roi(type='body', confidence=0.5)])]), id='PerceptionTargets'),
])
def test_a_received_message_equals_the_published_one(node, message):
    received = []
    qos = QoSProfile(depth=1, durability=rclpy.qos.DurabilityPolicy.TRANSIENT_LOCAL)
    node.create_publisher(type(message), 'topic', qos).publish(message)
    node.create_subscription(type(message), 'topic', received.append, qos)
    executor = SingleThreadedExecutor(context=node.context)
    wait_until(lambda: rclpy.spin_once(node, executor=executor, timeout_sec=0.1) or received)
    assert _equal(received[0], message)


def test_packages_come_after_their_dependencies(tmp_path):
    dependencies = {'c_msgs': ['a_msgs', 'b_msgs'], 'b_msgs': ['a_msgs', 'rclpy'], 'a_msgs': []}
    for name, depends in dependencies.items():
        (tmp_path / 'share' / name / 'msg').mkdir(parents=True)
        depend = ''.join(f'<depend>{other}</depend>' for other in depends)
        (tmp_path / 'share' / name / 'package.xml').write_text(f'<package>{depend}</package>')
    assert message_packages(['c_msgs', 'numpy'], tmp_path) == ['a_msgs', 'b_msgs', 'c_msgs']


@pytest.mark.parametrize(('before', 'after'), [
    pytest.param('float64 x\n', 'float32 x\n', id='other type'),
    pytest.param('float64 x\n', 'float64 u\n', id='other name'),
    pytest.param('float64 x\nfloat64 y\n', 'float64 y\nfloat64 x\n', id='other order'),
])
def test_no_wheel_is_built_from_a_definition_that_differs_from_upstream(tmp_path, before, after):
    shutil.copytree(MESSAGES, tmp_path / 'msgs')
    definition = tmp_path / 'msgs' / 'vision_msgs' / 'msg' / 'Point2D.msg'
    definition.write_text(definition.read_text().replace(before, after))
    builder = WheelBuilder(Package.read(definition.parent.parent), tmp_path / 'scratch')
    with pytest.raises(TypeHashError, match=r'accepted: RIHS01_.*, as upstream'):
        builder.build(tmp_path / 'wheels')
    assert not (tmp_path / 'wheels').exists()


def _equal(one, other) -> bool:
    """Compare messages field by field, as == fails for a field with a numpy array."""
    return all(np.array_equal(getattr(one, name), getattr(other, name))
               for name in one.get_fields_and_field_types())
