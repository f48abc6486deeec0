// Copyright 2026 the fcos_ros authors
// SPDX-License-Identifier: Apache-2.0
/** The texts of the page in two languages. Texts of the node are shown as they come. */

const ENGLISH = {
  title: 'fcos', pause: 'Pause', play: 'Resume', undo: 'Undo', save: 'Save as YAML', record: 'Record',
  unlock: 'Log in', language: '中文', theme_dark: 'Dark', theme_light: 'Light',
  cameras: 'Cameras', figures: 'Figures', settings: 'Settings', latency: 'Latency',
  picture: 'Live picture of the camera {camera}', zones: 'Zones', enlarge: 'Large',
  full_screen: 'Full screen', add_include_zone: 'Add include zone', add_exclude_zone: 'Add exclude zone',
  remove_zone: 'Remove zone', done: 'Done',
  zones_hint: 'Click the corners of a new zone; Enter or its first corner closes it, Esc leaves it. ' +
    'Drag corners, the small points between them, or a whole zone. Keys: Tab, arrows, Delete.',
  corner: 'Corner {corner} of {kind} {zone}: {left} % from the left, {top} % from the top',
  include_zones: 'Include zones', exclude_zones: 'Exclude zones', edit_zones: 'Edit on the picture', clear: 'Clear',
  login_title: 'This detector is protected', token: 'Token',
  login_help: 'The program fcos_web prints the token when it starts.', login: 'Log in',
  wrong_token: 'The token is wrong.', lost: 'No connection to the server; trying again',
  connecting: 'Connecting', present: 'running', absent: 'not running', paused: 'paused',
  recorded: 'Recorded',
  problems: 'Problems', no_problems: 'No problem', no_report: 'No report on /diagnostics',
  earlier_problems: 'Earlier problems',
  latency_of: 'Latency of {camera}', stage_ms: 'ms', stage_transport: '≈ transport', stage_wait: 'wait',
  stage_preprocess: 'preprocess', stage_infer: 'infer', stage_decode: 'decode', stage_publish: 'publish',
  stage_tiles: 'tiles', stage_total: 'total', stage_age: 'age',
  frames: 'Frames', frames_of: 'Frames of {camera}', image_rate: 'images', detection_rate: 'detections',
  age: 'age (median)', published: 'published', superseded: 'superseded', expired: 'expired', failed: 'failed',
  missed: 'missed', last_error: 'Last failure:',
  system: 'System', state: 'state', workers: 'workers', memory: 'memory', cpu: 'CPU', cores: 'cores',
  temperature: 'temperature', bpu_load: 'BPU load', uptime: 'uptime', host: 'host', board: 'board',
  model: 'model', model_path: 'file', backend: 'backend', input: 'input', classes_of_model: 'classes',
  version: 'fcos_ros', topic: 'topic', libraries: 'Libraries',
  scope: 'Settings of', all_cameras: 'All cameras', use_common: 'Use common value',
  group_thresholds: 'Thresholds', group_classes: 'Classes', group_tracking: 'Tracking',
  group_zones: 'Zones', group_latency: 'Latency', group_more: 'More settings',
  all_classes: 'All', only: 'only', only_class: 'Report only {name}', class_threshold: 'Threshold of {name}',
  filter_classes: 'Filter classes', refused: 'Refused: {reason}',
  parameter_score_threshold: 'Score threshold', parameter_nms_threshold: 'NMS threshold',
  parameter_max_detections: 'Maximum detections', parameter_min_size: 'Minimum size in pixels',
  parameter_track: 'Track objects', parameter_track_timeout: 'Track timeout in s',
  parameter_track_threshold: 'Track threshold', parameter_zone_anchor: 'Point of a box that counts',
  parameter_max_age: 'Maximum age in s', of_model: 'of the model', of_model_value: 'of the model: {value}',
  keys: 'Keys: space pause · 1–9 large · F full screen · Z zones · Ctrl+Z undo',
}

const CHINESE = {
  title: 'fcos', pause: '暂停', play: '继续', undo: '撤销', save: '保存为 YAML', record: '录制',
  unlock: '登录', language: 'English', theme_dark: '深色', theme_light: '浅色',
  cameras: '相机', figures: '指标', settings: '参数', latency: '延迟',
  picture: '相机 {camera} 的实时画面', zones: '区域', enlarge: '放大',
  full_screen: '全屏', add_include_zone: '添加包含区域', add_exclude_zone: '添加排除区域',
  remove_zone: '删除区域', done: '完成',
  zones_hint: '依次点击新区域的各个角点；按回车或点击第一个角点闭合，按 Esc 放弃。' +
    '可拖动角点、角点之间的小圆点或整个区域。按键：Tab、方向键、Delete。',
  corner: '{kind} {zone} 的角点 {corner}：距左 {left} %，距上 {top} %',
  include_zones: '包含区域', exclude_zones: '排除区域', edit_zones: '在画面上编辑', clear: '清空',
  login_title: '此检测器受保护', token: '令牌',
  login_help: 'fcos_web 启动时会打印令牌。', login: '登录',
  wrong_token: '令牌错误。', lost: '与服务器的连接已断开，正在重试',
  connecting: '正在连接', present: '运行中', absent: '未运行', paused: '已暂停',
  recorded: '已录制',
  problems: '问题', no_problems: '没有问题', no_report: '/diagnostics 上没有报告',
  earlier_problems: '之前的问题',
  latency_of: '{camera} 的延迟', stage_ms: '毫秒', stage_transport: '≈ 传输', stage_wait: '等待',
  stage_preprocess: '预处理', stage_infer: '推理', stage_decode: '解码', stage_publish: '发布',
  stage_tiles: '切块', stage_total: '合计', stage_age: '总时延',
  frames: '帧', frames_of: '{camera} 的帧', image_rate: '图像', detection_rate: '检测',
  age: '时延（中位数）', published: '已发布', superseded: '被取代', expired: '过期', failed: '失败',
  missed: '丢失', last_error: '最近一次失败：',
  system: '系统', state: '状态', workers: '工作进程', memory: '内存', cpu: 'CPU', cores: '核',
  temperature: '温度', bpu_load: 'BPU 负载', uptime: '运行时间', host: '主机', board: '开发板',
  model: '模型', model_path: '文件', backend: '后端', input: '输入', classes_of_model: '类别',
  version: 'fcos_ros', topic: '话题', libraries: '库版本',
  scope: '参数范围', all_cameras: '所有相机', use_common: '使用公共值',
  group_thresholds: '阈值', group_classes: '类别', group_tracking: '跟踪',
  group_zones: '区域', group_latency: '延迟', group_more: '更多参数',
  all_classes: '全部', only: '仅此', only_class: '只报告 {name}', class_threshold: '{name} 的阈值',
  filter_classes: '筛选类别', refused: '被拒绝：{reason}',
  parameter_score_threshold: '置信度阈值', parameter_nms_threshold: 'NMS 阈值',
  parameter_max_detections: '最大检测数', parameter_min_size: '最小尺寸（像素）',
  parameter_track: '跟踪目标', parameter_track_timeout: '跟踪超时（秒）',
  parameter_track_threshold: '跟踪阈值', parameter_zone_anchor: '检测框的判定点',
  parameter_max_age: '最大时延（秒）', of_model: '取自模型', of_model_value: '取自模型：{value}',
  keys: '按键：空格 暂停 · 1–9 放大 · F 全屏 · Z 区域 · Ctrl+Z 撤销',
}

export const LANGUAGES = { en: ENGLISH, zh: CHINESE }
const STORED = 'fcos.language'

let language = stored() || (navigator.languages || [navigator.language]).map(
  (tag) => tag.slice(0, 2)).find((tag) => tag in LANGUAGES) || 'en'

/** Return a text in the language of the page, with the values in its braces. */
export function word(key, values = {}) {
  return LANGUAGES[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name] ?? '').trim()
}

/** Return whether there is such a text. */
export function hasWord(key) {
  return key in ENGLISH
}

/** Set the text of an element, also after each change of the language. */
export function setWord(target, key, values = {}) {
  target.dataset.word = key
  target.dataset.values = JSON.stringify(values)
  target.textContent = word(key, values)
}

/** Set the accessible name of an element, also after each change of the language. */
export function setLabel(target, key, values = {}) {
  target.dataset.label = key
  target.dataset.labelValues = JSON.stringify(values)
  target.setAttribute('aria-label', word(key, values))
}

/** Set all texts below an element in the language of the page. */
export function translate(root) {
  document.documentElement.lang = language === 'zh' ? 'zh-CN' : 'en'
  for (const target of root.querySelectorAll('[data-word]')) {
    setWord(target, target.dataset.word, JSON.parse(target.dataset.values || '{}'))
  }
  for (const target of root.querySelectorAll('[data-label]')) {
    setLabel(target, target.dataset.label, JSON.parse(target.dataset.labelValues || '{}'))
  }
}

/** Change to the other language, and keep the choice. */
export function switchLanguage() {
  language = language === 'en' ? 'zh' : 'en'
  try {
    localStorage.setItem(STORED, language)
  } catch { /* a browser that keeps nothing forgets the choice */ }
}

function stored() {
  try {
    const kept = localStorage.getItem(STORED)
    return kept in LANGUAGES ? kept : null
  } catch {
    return null
  }
}
