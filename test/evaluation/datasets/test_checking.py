# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The check of datasets, and its report."""

from label_files import PICTURES, Picture, write_coco
import pytest

from fcos_ros.evaluation.datasets import (
    Finding,
    check,
    errors,
    open_dataset,
    report,
    usable,
)
from fcos_ros.evaluation.datasets.findings import KINDS


def checked(root, pictures):
    return check(open_dataset(write_coco(root / 'data', pictures)))


def of_kind(findings, kind):
    return [finding for finding in findings if finding.kind == kind]


@pytest.mark.parametrize('damage', ['truncated', 'empty', 'text'])
def test_images_that_cannot_be_decoded_are_found_and_left_out(tmp_path, damage):
    root = write_coco(tmp_path / 'data', PICTURES)
    file = root / 'images' / 'one.png'
    content = file.read_bytes()
    file.write_bytes({'truncated': content[:len(content) // 2], 'empty': b'',
                      'text': b'<html>'}[damage])
    dataset = open_dataset(root)
    findings = check(dataset)
    assert [(finding.kind, finding.place) for finding in errors(findings)] == [
        ('unreadable image', 'images/one.png')]
    assert [image.name for image in usable(dataset, findings).images] == [
        'images/two.png', 'images/three.png']


def test_the_same_pixels_in_two_parts_are_found(tmp_path):
    copies = [PICTURES[0]._replace(part='train'), PICTURES[1]._replace(part='val')]
    root = write_coco(tmp_path / 'data', copies)
    (root / 'images' / 'two.png').write_bytes((root / 'images' / 'one.png').read_bytes())
    file = root / 'annotations' / 'instances_val2017.json'
    file.write_text(file.read_text().replace('32', '60').replace('64', '40'))
    finding, = of_kind(check(open_dataset(root)), 'duplicate image')
    assert finding.place == 'images/one.png'
    assert finding.detail == 'in train and val: the same pixels as images/two.png'


def test_a_box_that_is_labelled_twice_is_found_and_used_once(tmp_path):
    twice = PICTURES[0]._replace(objects=[*PICTURES[0].objects, PICTURES[0].objects[0]])
    dataset = open_dataset(write_coco(tmp_path / 'data', [twice]))
    findings = check(dataset)
    assert [finding.place for finding in of_kind(findings, 'duplicate box')] == [
        'images/one.png: object 3']
    kept, = usable(dataset, findings).images
    assert kept.class_ids.tolist() == [0, 1]


def test_the_same_box_of_another_class_is_no_duplicate(tmp_path):
    box = PICTURES[0].objects[0][1]
    both = PICTURES[0]._replace(objects=[('ball', box), ('cube', box)])
    assert not of_kind(checked(tmp_path, [both]), 'duplicate box')


@pytest.mark.parametrize(('beyond', 'reported'), [(0.9, False), (1.5, True)])
def test_a_box_may_be_rounded_to_a_pixel_beyond_the_image(tmp_path, beyond, reported):
    dataset = open_dataset(write_coco(tmp_path / 'data', [
        Picture('a.png', (60, 40), [('ball', (-beyond, 5, 30, 40 + beyond))])]))
    findings = check(dataset)
    assert bool(of_kind(findings, 'box partly outside')) is reported
    assert not errors(findings)
    assert usable(dataset, findings).images[0].boxes.tolist() == [[0, 5, 30, 40]]


def test_images_without_objects_are_counted(tmp_path):
    finding, = of_kind(checked(tmp_path, PICTURES), 'images without objects')
    assert finding.detail == '1 of 3 images'


def test_classes_that_are_rare_or_have_no_objects_are_named(tmp_path):
    crowd = [('cube', (x, y, x + 5, y + 5)) for x in range(0, 100, 10) for y in range(0, 100, 10)]
    findings = checked(tmp_path, [Picture('a.png', (100, 100), [
        *crowd, *((name, (1, 1, 9, 9)) for name in ['ball'])])])
    assert [str(finding) for finding in of_kind(findings, 'rare class')] == [
        'ball: 1 objects; the most frequent class has 100']
    findings = checked(tmp_path / 'other', [Picture('a.png', (100, 100), crowd)])
    assert [finding.place for finding in of_kind(findings, 'class without objects')] == ['ball']


def test_every_image_is_counted_in_the_progress(tmp_path):
    count = []
    check(open_dataset(write_coco(tmp_path / 'data', PICTURES)), lambda: count.append(1))
    assert len(count) == len(PICTURES)


def test_the_report_has_errors_first_and_a_limit_for_each_kind():
    findings = [Finding('rare class', 'ball', '3 objects'),
                *(Finding('missing image', f'{number}.png') for number in range(7))]
    assert report(findings, limit=2).splitlines() == [
        'error: missing image (7); the image is left out', '  0.png', '  1.png',
        '  ... and 5 more',
        'warning: rare class (1); all objects are used', '  ball: 3 objects']


def test_no_findings_are_an_empty_report():
    assert report([]) == ''


def test_the_kinds_of_errors_come_before_those_of_warnings():
    severities = [kind.severity for kind in KINDS.values()]
    assert severities == sorted(severities)
