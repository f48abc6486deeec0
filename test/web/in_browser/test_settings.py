# Copyright 2026 the fcos_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The controls of the page change the parameters of the node, and show why it refuses one."""

from __future__ import annotations

from playwright.sync_api import expect
import pytest
from waiting import wait_until
import yaml


@pytest.fixture
def knob(page):
    """Return a control by the name of its parameter; all are set back at the end."""
    yield lambda name: page.locator(f'[data-parameter={name}]')
    while page.locator('#undo').is_enabled():
        page.locator('#undo').click()
        page.wait_for_timeout(200)


def test_a_slider_changes_the_parameter(page, knob, peer):
    slider = knob('score_threshold').locator('input[type=range]')
    box = slider.bounding_box()
    page.mouse.move(box['x'] + 8, box['y'] + box['height'] / 2)
    page.mouse.down()
    for share in (0.2, 0.4, 0.6):
        page.mouse.move(box['x'] + share * box['width'], box['y'] + box['height'] / 2)
    page.mouse.up()
    wait_until(lambda: abs(peer.parameter('score_threshold') - 0.6) < 0.03)
    shown = float(knob('score_threshold').locator('input[type=text]').input_value())
    assert shown == peer.parameter('score_threshold')


def test_one_drag_is_one_step_of_undo(page, knob, peer):
    slider = knob('max_detections').locator('input[type=range]')
    box = slider.bounding_box()
    page.mouse.move(box['x'] + box['width'] / 3, box['y'] + box['height'] / 2)
    page.mouse.down()
    for step in range(5):
        page.mouse.move(box['x'] + (0.4 + 0.05 * step) * box['width'], box['y'] + 8)
        page.wait_for_timeout(100)
    page.mouse.up()
    wait_until(lambda: peer.parameter('max_detections') != 100)
    expect(page.locator('#undo')).to_be_enabled()
    page.keyboard.press('Control+z')
    wait_until(lambda: peer.parameter('max_detections') == 100)
    expect(page.locator('#undo')).to_be_disabled()
    expect(knob('max_detections').locator('input[type=text]')).to_have_value('100')


def test_a_refused_slider_springs_back_with_the_reason_of_the_node(page, knob, peer):
    slider = knob('score_threshold').locator('input[type=range]')
    before = slider.input_value()
    slider.evaluate('slider => { slider.max = 4 }')  # as in a page of another version
    slider.press('End')
    refusal = knob('score_threshold').locator('.refusal')
    expect(refusal).to_have_text('score_threshold is 4.0; accepted: 0.0 to 1.0')
    expect(slider).to_have_value(before)
    assert peer.parameter('score_threshold') == float(before)
    expect(page.locator('#undo')).to_be_disabled()


@pytest.mark.parametrize('typed', ['1.5', 'many'])
def test_a_refused_number_springs_back(page, knob, peer, typed):
    field = knob('nms_threshold').locator('input[type=text]')
    field.fill(typed)
    field.press('Enter')
    expect(knob('nms_threshold').locator('.refusal')).to_contain_text('nms_threshold')
    expect(field).to_have_value('0')
    field.fill('0.5')
    field.press('Enter')
    expect(knob('nms_threshold').locator('.refusal')).to_be_hidden()
    wait_until(lambda: peer.parameter('nms_threshold') == 0.5)


def test_classes_are_switched_off_and_on(page, knob, peer):
    cube = knob('classes').locator('li', has_text='cube')
    cube.locator('input[type=checkbox]').click()
    wait_until(lambda: list(peer.parameter('exclude_classes')) == ['cube'])
    expect(cube.locator('input[type=checkbox]')).not_to_be_checked()
    knob('classes').locator('li', has_text='ball').locator('.only').click()
    wait_until(lambda: list(peer.parameter('classes')) == ['ball'])
    expect(knob('classes').locator('input:checked')).to_have_count(1)
    cube.locator('input[type=checkbox]').click()
    wait_until(lambda: list(peer.parameter('classes')) == ['ball', 'cube'])


def test_a_class_has_a_threshold_of_its_own(page, knob, peer):
    field = knob('classes').locator('li', has_text='cone').locator('input[type=text]')
    field.fill('0,7')
    field.press('Enter')
    wait_until(lambda: list(peer.parameter('class_thresholds')) == ['cone: 0.7'])
    field.fill('')
    field.press('Enter')
    wait_until(lambda: list(peer.parameter('class_thresholds')) == [''])


def test_a_switch_and_a_choice(page, knob, peer):
    knob('track').locator('input').click()
    wait_until(lambda: peer.parameter('track') is False)
    knob('zone_anchor').locator('select').select_option('bottom')
    wait_until(lambda: peer.parameter('zone_anchor') == 'bottom')


def test_a_change_of_another_program_is_shown(page, knob, peer, programs, open_page):
    other = open_page(programs.address())
    field = other.locator('[data-parameter=min_size] input[type=text]')
    field.fill('7')
    field.press('Enter')
    expect(knob('min_size').locator('input[type=text]')).to_have_value('7')
    field.fill('0')
    field.press('Enter')
    expect(knob('min_size').locator('input[type=text]')).to_have_value('0')


def test_the_parameters_are_saved_as_a_file(page, knob, peer):
    field = knob('max_age').locator('input[type=text]')
    field.fill('0.9')
    field.press('Enter')
    wait_until(lambda: peer.parameter('max_age') == 0.9)
    with page.expect_download() as download:
        page.locator('#save').click()
    saved = yaml.safe_load(download.value.path().read_text())
    (node,) = saved.values()
    assert node['ros__parameters']['max_age'] == 0.9
    assert download.value.suggested_filename.endswith('.yaml')
