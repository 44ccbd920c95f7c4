//! The native menu, in both languages. The page acts on what is chosen.

use crate::desk::Desk;
use std::sync::Arc;
use tauri::menu::{Menu, MenuBuilder, MenuEvent, MenuItem, MenuItemBuilder, SubmenuBuilder};
use tauri::{AppHandle, Manager, Wry};
use visavis_ipc::{AppEvent, MenuAction};

/// An item: its id, what it does, its words, its keys.
struct Item {
    id: &'static str,
    action: MenuAction,
    english: &'static str,
    chinese: &'static str,
    keys: Option<&'static str>,
}

const fn item(
    id: &'static str,
    action: MenuAction,
    english: &'static str,
    chinese: &'static str,
    keys: Option<&'static str>,
) -> Item {
    Item {
        id,
        action,
        english,
        chinese,
        keys,
    }
}

const ITEMS: [Item; 10] = [
    item(
        "new",
        MenuAction::NewChat,
        "New Chat",
        "新对话",
        Some("CmdOrCtrl+N"),
    ),
    item(
        "add",
        MenuAction::AddPictures,
        "Add Pictures…",
        "添加图片…",
        Some("CmdOrCtrl+O"),
    ),
    item(
        "search",
        MenuAction::Search,
        "Search",
        "搜索",
        Some("CmdOrCtrl+F"),
    ),
    item(
        "settings",
        MenuAction::Settings,
        "Settings",
        "设置",
        Some("CmdOrCtrl+,"),
    ),
    item(
        "sidebar",
        MenuAction::Sidebar,
        "Show or Hide Chats",
        "显示或隐藏对话列表",
        Some("CmdOrCtrl+B"),
    ),
    item(
        "larger",
        MenuAction::TextLarger,
        "Larger Text",
        "放大文字",
        Some("CmdOrCtrl+="),
    ),
    item(
        "smaller",
        MenuAction::TextSmaller,
        "Smaller Text",
        "缩小文字",
        Some("CmdOrCtrl+-"),
    ),
    item(
        "normal",
        MenuAction::TextNormal,
        "Normal Text",
        "默认文字大小",
        Some("CmdOrCtrl+0"),
    ),
    item("stop", MenuAction::Stop, "Stop Answer", "停止回答", None),
    item(
        "shortcuts",
        MenuAction::Shortcuts,
        "Keyboard Shortcuts",
        "键盘快捷键",
        Some("CmdOrCtrl+/"),
    ),
];

/// Makes the menu.
pub(crate) fn build(handle: &AppHandle, chinese: bool) -> tauri::Result<Menu<Wry>> {
    let say = |english: &'static str, other: &'static str| if chinese { other } else { english };
    let entry = |id: &str| -> tauri::Result<MenuItem<Wry>> {
        // Every id below stands in the table; a test looks.
        let found = ITEMS.iter().find(|item| item.id == id).unwrap_or(&ITEMS[0]);
        let mut made = MenuItemBuilder::with_id(found.id, say(found.english, found.chinese));
        if let Some(keys) = found.keys {
            made = made.accelerator(keys);
        }
        made.build(handle)
    };
    let file = SubmenuBuilder::new(handle, say("File", "文件"))
        .item(&entry("new")?)
        .item(&entry("add")?)
        .separator()
        .item(&entry("settings")?)
        .separator()
        .quit_with_text(say("Quit", "退出"))
        .build()?;
    let edit = SubmenuBuilder::new(handle, say("Edit", "编辑"))
        .cut_with_text(say("Cut", "剪切"))
        .copy_with_text(say("Copy", "复制"))
        .paste_with_text(say("Paste", "粘贴"))
        .select_all_with_text(say("Select All", "全选"))
        .separator()
        .item(&entry("search")?)
        .item(&entry("stop")?)
        .build()?;
    let view = SubmenuBuilder::new(handle, say("View", "视图"))
        .item(&entry("sidebar")?)
        .separator()
        .item(&entry("larger")?)
        .item(&entry("smaller")?)
        .item(&entry("normal")?)
        .build()?;
    let help = SubmenuBuilder::new(handle, say("Help", "帮助"))
        .item(&entry("shortcuts")?)
        .build()?;
    MenuBuilder::new(handle)
        .items(&[&file, &edit, &view, &help])
        .build()
}

/// Passes on what was chosen.
pub(crate) fn chosen(handle: &AppHandle, event: MenuEvent) {
    let found = ITEMS.iter().find(|item| item.id == event.id().as_ref());
    if let Some(found) = found {
        let desk = handle.state::<Arc<Desk>>();
        desk.tell(AppEvent::Menu {
            action: found.action,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_have_ids_words_and_keys_of_their_own() {
        for (at, item) in ITEMS.iter().enumerate() {
            assert!(!item.english.is_empty() && !item.chinese.is_empty());
            for other in &ITEMS[at + 1..] {
                assert_ne!(item.id, other.id);
                assert_ne!(item.action, other.action);
                assert!(item.keys.is_none() || item.keys != other.keys);
            }
        }
        let source = include_str!("menu.rs");
        for used in source.split("entry(\"").skip(1) {
            let id = used.split('"').next().unwrap();
            assert!(ITEMS.iter().any(|item| item.id == id), "{id}");
        }
    }
}
