# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The metadata of a model has one set of keys; wrong keys and values are refused."""

from contextlib import suppress
import json

from hypothesis import given, strategies as st
import pytest
import yaml

from fcos_ros.backends.errors import ModelError
from fcos_ros.backends.metadata import KEYS, Metadata, read_text, split_onnx_entries
from fcos_ros.core.labels import Labels
from fcos_ros.core.resize import Size


def parse(folder=None, **entries):
    return Metadata.parse(entries, '/models/a.yaml', folder)


# For each key: texts as an ONNX file holds them, and the value that they mean.
ACCEPTED = {
    'labels': (['["cat", "dog"]', '[cat, dog]', '{"0": "cat", "1": "dog"}', '{0: cat, 1: dog}',
                '- cat\n- dog'], Labels(('cat', 'dog'))),
    'pixels': (['bgr', ' BGR '], 'bgr'),
    'mean': (['[123.5, 116, 103]', '123.5, 116, 103'], (123.5, 116, 103)),
    'std': (['[58, 57, 57.5]'], (58, 57, 57.5)),
    'mean_std_scale': (['1', '1.0'], 1),
    'padding': (['114', '[114]'], (114,)),
    'nv12_range': (['limited'], 'limited'),
    'input_size': (['640x384', '640X384'], Size(640, 384)),
    'strides': (['[8, 16, 106.67]', '8, 16, 106.67'], (8, 16, 106.67)),
    'spacing': (['canvas//grid', 'canvas // grid'], 'canvas//grid'),
    'box_unit': (['stride', 'Stride'], 'stride'),
    'point_offset': (['0', '0.0'], 0),
    'activation': (['sigmoid'], 'sigmoid'),
    'box_activation': (['exp'], 'exp'),
    'score': (['sqrt(cls*ctr)', 'sqrt(cls * ctr)'], 'sqrt(cls*ctr)'),
    'order': (['["class", "box"]', 'class, box'], ('class', 'box')),
    'one_class_per_cell': (['false', 'False'], False),
    'score_threshold': (['0.25'], 0.25),
    'nms_threshold': (['1', '1e0'], 1),
    'provenance': (['{"trained on": "COCO", "seed": 7}', 'trained on: COCO\nseed: 7'],
                   {'trained on': 'COCO', 'seed': '7'}),
}

REFUSED = {
    'labels': ['[]', '{}', '[["cat"]]', '["cat", "\\u001b[2J"]', '{"a": "cat"}', 'nowhere.txt',
               '../other.txt', '/etc/hostname', '{"70000": "far"}', 'a' * 300],
    'pixels': ['yuv', '[rgb]', ''],
    'mean': ['[1, 2]', '[1, 2, x]', '[1, 2, .nan]', '[1, 2, Infinity]', '7', '[]', '{}'],
    'std': ['[1, 2]', '[true, true, true]'],
    'mean_std_scale': ['2', '[1]', 'one'],
    'padding': ['256', '-1', '0.5', '[1, 2]', 'grey'],
    'nv12_range': ['video'],
    'input_size': ['640', '640x', '0x640', '-1x640', '640x480x3', '999999x640'],
    'strides': ['[Infinity, 16]', '[8, 8]', '[0, 8]', '[-8, 8]', '[]', '[[8]]', '1e400, 8'],
    'spacing': ['grid'],
    'box_unit': ['mile', '1'],
    'point_offset': ['0.25', 'true'],
    'activation': ['softmax'],
    'box_activation': ['sigmoid'],
    'score': ['cls+ctr'],
    'order': ['[class, boxes]', '[]'],
    'one_class_per_cell': ['2', 'yes'],
    'score_threshold': ['-0.1', '1.5', 'nan', 'inf'],
    'nms_threshold': ['60'],
    'provenance': ['COCO', '[COCO]', '{a: {b: c}}'],
}


def test_every_key_has_examples():
    assert set(ACCEPTED) == set(REFUSED) == set(KEYS)


@pytest.mark.parametrize(('key', 'text'), [
    (key, text) for key, (texts, _) in ACCEPTED.items() for text in texts])
def test_a_value_is_read_from_a_text_or_from_yaml(key, text):
    expected = ACCEPTED[key][1]
    assert getattr(parse(**{key: text}), key) == expected
    assert getattr(parse(**{key: yaml.safe_load(text)}), key) == expected


@pytest.mark.parametrize('key', KEYS)
def test_what_is_read_can_be_written_and_read_again(key):
    first = parse(**{key: ACCEPTED[key][0][0]})
    assert parse(**json.loads(json.dumps(first.entries()))) == first
    assert parse(**yaml.safe_load(yaml.safe_dump(first.entries()))) == first


@pytest.mark.parametrize(('key', 'text'), [
    (key, text) for key, texts in REFUSED.items() for text in texts])
def test_a_wrong_value_is_refused_with_the_accepted_ones(tmp_path, key, text):
    with pytest.raises(ModelError) as refusal:
        parse(tmp_path, **{key: text})
    message = str(refusal.value)
    assert message.startswith(f'/models/a.yaml has {key}: ')
    assert message.endswith(f'; accepted: {KEYS[key].accepted}')
    assert len(message) < 1000
    assert message.isprintable()


@pytest.mark.parametrize(('key', 'near'), [
    ('box_units', 'box_unit'), ('Mean', 'mean'), ('STD', 'std'), ('label', 'labels'),
    ('nms-threshold', 'nms_threshold'), ('scoreThreshold', 'score_threshold'),
    ('stride', 'strides'), ('box_uint', 'box_unit'), ('mena', 'mean'),
    ('nv12range', 'nv12_range'), ('Input size', 'input_size')])
def test_a_misspelt_key_is_refused_with_the_near_one(key, near):
    with pytest.raises(ModelError, match=f"has the key {key!r}; did you mean '{near}'"):
        parse(**{key: '1'})
    own, foreign = split_onnx_entries({key: 'x'})
    assert (own, foreign) == ({key: 'x'}, ())


@pytest.mark.parametrize('key', [
    'input_shape', 'image_size', 'input_names', 'score_thr', 'conf_threshold', 'iou_threshold',
    'threshold', 'nms_iou_threshold', 'class_labels', 'label_map'])
def test_a_key_of_another_program_with_a_word_of_ours_is_no_mistake(key):
    assert split_onnx_entries({key: 'x'}) == ({}, (key,))


def test_an_unknown_key_is_refused_with_all_keys():
    with pytest.raises(ModelError, match=f'accepted: {", ".join(KEYS)}'):
        parse(colour='red')
    with pytest.raises(ModelError, match='accepted: labels'):
        Metadata.parse({None: 1}, 'a.yaml', None)


def test_keys_of_other_programs_in_an_onnx_file_are_not_ours():
    entries = {'description': 'YOLO', 'author': 'X', 'stride': '32', 'task': 'detect',
               'batch': '1', 'imgsz': '[640, 640]', 'names': "{0: 'cat'}", 'box_unit': 'stride'}
    own, foreign = split_onnx_entries(entries)
    assert own == {'names': "{0: 'cat'}", 'box_unit': 'stride'}
    assert foreign == ('author', 'batch', 'description', 'imgsz', 'stride', 'task')


@pytest.mark.parametrize('text', [
    "{0: 'cat', 1: \"dog's\"}", "['cat', \"dog's\"]", '{"0": "cat", "1": "dog\'s"}'])
def test_names_are_read_as_other_programs_write_them(text):
    assert parse(names=text).labels == Labels(('cat', "dog's"))


def test_labels_have_priority_over_names():
    assert parse(names='[a]', labels='[b]').labels == Labels(('b',))


def test_words_that_yaml_takes_for_other_types_are_names():
    assert parse(labels='[no, on, 007, 1_000, 12:30, ~, null]').labels == Labels(
        ('no', 'on', '007', '1_000', '12:30', '5', '6'))


@pytest.mark.parametrize(('content', 'names'), [
    ('cat\ndog\n', ('cat', 'dog')), ('\ufeffcat\r\ndog\r\n\r\n', ('cat', 'dog')),
    ('чашка\nカップ', ('чашка', 'カップ')), ('cat\ncat', ('cat', 'cat'))])
def test_labels_may_stand_in_a_text_file(tmp_path, content, names):
    (tmp_path / 'names.txt').write_text(content, encoding='utf-8', newline='')
    assert parse(tmp_path, labels='names.txt').labels.names == names


@pytest.mark.parametrize(('content', 'complaint'), [
    (b'cat\n\ndog', 'line 2 is empty'), (b'\xff\xfe', 'utf-8'), (b'', 'accepted'),
    (b'\x1b[2J', 'control characters'), (b'a\n' * (1 << 20), 'no text file of up to')])
def test_a_text_file_without_names_is_refused(tmp_path, content, complaint):
    (tmp_path / 'names.txt').write_bytes(content)
    with pytest.raises(ModelError, match=complaint):
        parse(tmp_path, labels='names.txt')


@pytest.mark.parametrize('text', ['[' * 100_000, '{a: ' * 10_000, '{"a":' * 100_000,
                                  '&a [*a, *a]', '{a: 1, a: 2}', '!!python/object:os.system x',
                                  '\x00', '[1, ', ': :', 'x' * (1 << 21)])
@pytest.mark.parametrize('key', ['labels', 'strides', 'provenance'])
def test_hostile_texts_are_refused_in_short(key, text):
    with pytest.raises(ModelError) as refusal:
        parse(**{key: text})
    assert len(str(refusal.value)) < 1000


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(max_size=4), inner, max_size=4), max_leaves=6)


@given(st.sampled_from([*KEYS, 'names']), anything | st.text())
def test_any_value_is_read_or_refused(key, value):
    try:
        metadata = parse(**{key: value})
    except ModelError:
        return
    assert parse(**metadata.entries()) == metadata


@given(st.text())
def test_any_text_is_read_or_refused(text):
    with suppress(ValueError):
        read_text(text)


def test_the_second_metadata_has_priority():
    first = Metadata.parse({'box_unit': 'pixel', 'score': 'cls'}, '/m/a.onnx', None)
    second = Metadata.parse({'box_unit': 'stride', 'pixels': 'bgr'}, '/m/a.yaml', None)
    both = first.overridden(second)
    assert (both.box_unit, both.score, both.pixels) == ('stride', 'cls', 'bgr')
    assert both.sources == {'box_unit': 'a.yaml', 'score': 'a.onnx', 'pixels': 'a.yaml'}
    assert both.replaced == ('box_unit',)


def test_a_value_that_is_stated_twice_replaces_nothing():
    first = Metadata.parse({'mean': '[1, 2, 3]', 'labels': '[a, b]'}, '/m/a.onnx', None)
    second = Metadata.parse({'mean': [1, 2, 3], 'labels': ['a', 'b']}, '/m/a.yaml', None)
    assert first.overridden(second).replaced == ()


def test_the_head_and_the_criteria_have_what_is_stated():
    texts = {key: texts[0] for key, (texts, _) in ACCEPTED.items()}
    metadata = parse(**texts)
    spec, criteria = metadata.head_spec(), metadata.criteria()
    for key in ('strides', 'spacing', 'box_unit', 'point_offset', 'activation',
                'box_activation', 'score', 'order'):
        assert getattr(spec, key) == getattr(metadata, key)
    assert spec.num_classes == 2
    for key in ('score_threshold', 'nms_threshold', 'one_class_per_cell'):
        assert getattr(criteria, key) == getattr(metadata, key)
