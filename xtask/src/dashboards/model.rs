//! Panels and dashboards, and Grafana's JSON for them (Grafana 11; later ones convert it when they load it).

use serde_json::{Value, json};

/// Grafana 11's version of the format.
const SCHEMA_VERSION: u32 = 39;
/// A row of the grid is so wide.
const GRID_WIDTH: u32 = 24;

/// How a panel shows its queries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Lines over time.
    Lines,
    /// Lines over time, one on top of the other.
    Stacked,
    /// One number for each series.
    Stat,
    /// Words over time: which value means what, and its colour.
    States(&'static [(i32, &'static str, &'static str)]),
    /// The buckets of a histogram over time.
    Heatmap,
}

/// A panel.
pub struct Panel {
    kind: Kind,
    title: &'static str,
    unit: &'static str,
    about: &'static str,
    width: u32,
    height: u32,
    queries: Vec<(String, &'static str)>,
    limits: Vec<(Option<f64>, &'static str)>,
    max: Option<f64>,
}

/// A panel with its title, Grafana's name of its unit, and what a person should make of it.
pub fn panel(kind: Kind, title: &'static str, unit: &'static str, about: &'static str) -> Panel {
    let (width, height) = if kind == Kind::Stat { (4, 4) } else { (12, 8) };
    Panel { kind, title, unit, about, width, height, queries: Vec::new(), limits: Vec::new(), max: None }
}

impl Panel {
    /// Adds a query. `{S` in it stands for the beginning of the selector that goes with the dashboard's variables, `[R]` for the
    /// range that goes with the interval of scrapes.
    pub fn query(mut self, expression: &str, legend: &'static str) -> Self {
        self.queries.push((expression.replace("[R]", "[$__rate_interval]"), legend));
        self
    }

    /// Adds the 0.5, 0.99 and highest quantile of a histogram, summed over what the dashboard has selected.
    pub fn quantiles(self, histogram: &str) -> Self {
        let of = |q: &str| format!("histogram_quantile({q}, sum by (le) (rate({histogram}_bucket{{S}}[R])))");
        self.query(&of("0.5"), "half").query(&of("0.99"), "99 of 100").query(&of("1"), "highest")
    }

    /// Adds one quantile of a histogram, by a label.
    pub fn quantile_by(self, q: &str, label: &str, histogram: &str, legend: &'static str) -> Self {
        self.query(&format!("histogram_quantile({q}, sum by ({label}, le) (rate({histogram}_bucket{{S}}[R])))"), legend)
    }

    /// Adds a colour from a value on.
    pub fn from(mut self, value: f64, colour: &'static str) -> Self {
        self.limits.push((Some(value), colour));
        self
    }

    /// The colour below the first limit, green if not said.
    pub fn below(mut self, colour: &'static str) -> Self {
        self.limits.insert(0, (None, colour));
        self
    }

    /// How wide it is, of 24.
    pub fn wide(mut self, width: u32) -> Self {
        self.width = width;
        self
    }

    /// The upper end of the scale.
    pub fn max(mut self, max: f64) -> Self {
        self.max = Some(max);
        self
    }

    fn json(&self, id: u32, at: (u32, u32), selector: &str) -> Value {
        let targets = self.queries.iter().enumerate().map(|(number, (expression, legend))| {
            json!({
                "refId": char::from(b'A' + u8::try_from(number).unwrap_or(25)).to_string(),
                "datasource": datasource(),
                "expr": expression.replace("{S", &format!("{{{selector}")),
                "format": if self.kind == Kind::Heatmap { "heatmap" } else { "time_series" },
                "instant": self.kind == Kind::Stat,
                "legendFormat": legend,
                "range": self.kind != Kind::Stat,
            })
        });
        json!({
            "id": id,
            "type": self.type_name(),
            "title": self.title,
            "description": self.about,
            "datasource": datasource(),
            "fieldConfig": { "defaults": self.field(), "overrides": [] },
            "gridPos": { "x": at.0, "y": at.1, "w": self.width, "h": self.height },
            "options": self.options(),
            "targets": targets.collect::<Vec<_>>(),
        })
    }

    fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Lines | Kind::Stacked => "timeseries",
            Kind::Stat => "stat",
            Kind::States(_) => "state-timeline",
            Kind::Heatmap => "heatmap",
        }
    }

    fn field(&self) -> Value {
        let mut limits = self.limits.clone();
        if limits.first().is_none_or(|(value, _)| value.is_some()) {
            limits.insert(0, (None, "green"));
        }
        let steps: Vec<Value> =
            limits.iter().map(|(value, colour)| json!({ "color": colour, "value": value })).collect();
        let mut field = json!({ "unit": self.unit, "thresholds": { "mode": "absolute", "steps": steps } });
        match self.kind {
            Kind::Lines | Kind::Stacked => {
                let style = if self.limits.is_empty() { "off" } else { "dashed" };
                let (mode, fill) = if self.kind == Kind::Stacked { ("normal", 30) } else { ("none", 5) };
                field["min"] = json!(0);
                field["color"] = json!({ "mode": "palette-classic" });
                field["custom"] = json!({
                    "drawStyle": "line", "fillOpacity": fill, "lineWidth": 1, "showPoints": "never", "spanNulls": false,
                    "stacking": { "mode": mode, "group": "A" }, "thresholdsStyle": { "mode": style },
                });
            }
            Kind::Stat => field["color"] = json!({ "mode": "thresholds" }),
            Kind::States(states) => {
                field["color"] = json!({ "mode": "thresholds" });
                field["custom"] = json!({ "fillOpacity": 70, "lineWidth": 0 });
                let mappings = states.iter().map(|(value, text, colour)| {
                    (value.to_string(), json!({ "text": text, "color": colour, "index": value }))
                });
                field["mappings"] =
                    json!([{ "type": "value", "options": mappings.collect::<serde_json::Map<_, _>>() }]);
            }
            Kind::Heatmap => {}
        }
        if let Some(max) = self.max {
            field["max"] = json!(max);
        }
        field
    }

    fn options(&self) -> Value {
        let legend = json!({
            "calcs": ["lastNotNull", "max"], "displayMode": "table", "placement": "bottom", "showLegend": true,
        });
        match self.kind {
            Kind::Lines | Kind::Stacked => {
                json!({ "legend": legend, "tooltip": { "mode": "multi", "sort": "desc" } })
            }
            Kind::Stat => json!({
                "colorMode": "value", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                "percentChangeColorMode": "standard", "showPercentChange": false, "wideLayout": true,
                "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false }, "textMode": "auto",
            }),
            Kind::States(_) => json!({
                "alignValue": "left",
                "legend": { "calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": false },
                "mergeValues": true, "rowHeight": 0.9, "showValue": "auto", "tooltip": { "mode": "single", "sort": "none" },
            }),
            Kind::Heatmap => json!({
                "calculate": false, "cellGap": 1, "cellValues": { "unit": "ops" },
                "color": {
                    "mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5, "fill": "dark-orange",
                    "reverse": false,
                },
                "exemplars": { "color": "orange" }, "filterValues": { "le": 1e-9 }, "showValue": "never",
                "legend": { "show": true }, "rowsFrame": { "layout": "auto" },
                "tooltip": { "mode": "single", "yHistogram": false },
                "yAxis": { "axisPlacement": "left", "reverse": false, "unit": self.unit },
            }),
        }
    }
}

fn datasource() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// What one can choose at the top of a dashboard, beside the source of data.
pub struct Variable {
    /// Its name, which is the label's too.
    pub name: &'static str,
    /// What it is called on the screen.
    pub label: &'static str,
    /// The query that yields its values.
    pub values: &'static str,
}

/// A dashboard.
pub struct Dashboard {
    /// The end of its identity and the name of its file.
    pub name: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// What it is good for.
    pub about: &'static str,
    /// Every variable of these is part of the selector `{S}`.
    pub variables: &'static [Variable],
    /// Notes in every panel: name, colour, query, text.
    pub notes: &'static [(&'static str, &'static str, &'static str, &'static str)],
    /// Rows with their titles.
    pub rows: Vec<(&'static str, Vec<Panel>)>,
}

impl Dashboard {
    /// The name of its file.
    pub fn file(&self) -> String {
        format!("{}.json", self.name)
    }

    /// Grafana's document.
    pub fn json(&self) -> Value {
        let notes = self.notes.iter().map(|(name, colour, expression, text)| {
            json!({
                "name": name, "datasource": datasource(), "enable": true, "expr": expression.replace("{S", &self.opened()),
                "iconColor": colour, "step": "15s", "textFormat": text, "titleFormat": name,
            })
        });
        let links = json!({
            "title": "zookube", "type": "dashboards", "tags": ["zookube"], "asDropdown": true, "includeVars": true,
            "keepTime": true, "icon": "external link", "targetBlank": false, "tooltip": "", "url": "",
        });
        json!({
            "uid": format!("zookube-{}", self.name),
            "title": self.title,
            "description": self.about,
            "annotations": { "list": notes.collect::<Vec<_>>() },
            "editable": true,
            "fiscalYearStartMonth": 0,
            "graphTooltip": 1,
            "links": [links],
            "panels": self.panels(),
            "refresh": "30s",
            "schemaVersion": SCHEMA_VERSION,
            "tags": ["zookube", "zookeeper"],
            "templating": { "list": self.templating() },
            "time": { "from": "now-1h", "to": "now" },
            "timepicker": {},
            "timezone": "",
            "version": 1,
            "weekStart": "",
        })
    }

    /// The selector without braces.
    fn selector(&self) -> String {
        let matcher = |variable: &Variable| format!("{0}=~\"${0}\"", variable.name);
        self.variables.iter().map(matcher).collect::<Vec<_>>().join(", ")
    }

    fn opened(&self) -> String {
        format!("{{{}", self.selector())
    }

    /// All panels, rows among them, from left to right and from top to bottom.
    fn panels(&self) -> Vec<Value> {
        let (mut panels, mut id, mut y) = (Vec::new(), 0, 0);
        for (title, members) in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": title, "collapsed": false, "panels": [],
                "gridPos": { "x": 0, "y": y, "w": GRID_WIDTH, "h": 1 },
            }));
            y += 1;
            let (mut x, mut height) = (0, 0);
            for member in members {
                if x + member.width > GRID_WIDTH {
                    (x, y, height) = (0, y + height, 0);
                }
                id += 1;
                panels.push(member.json(id, (x, y), &self.selector()));
                x += member.width;
                height = height.max(member.height);
            }
            y += height;
        }
        panels
    }

    fn templating(&self) -> Vec<Value> {
        let source = json!({
            "name": "datasource", "type": "datasource", "label": "Data source", "query": "prometheus",
            "hide": 0, "includeAll": false, "multi": false, "options": [], "refresh": 1, "regex": "",
        });
        let variables = self.variables.iter().map(|variable| {
            json!({
                "name": variable.name, "type": "query", "label": variable.label, "datasource": datasource(),
                // Also what has no such label.
                "allValue": ".*",
                "current": { "selected": true, "text": "All", "value": "$__all" }, "hide": 0,
                "includeAll": true, "multi": true, "options": [], "query": { "query": variable.values, "refId": variable.name },
                "refresh": 2, "regex": "", "sort": 1,
            })
        });
        std::iter::once(source).chain(variables).collect()
    }
}
