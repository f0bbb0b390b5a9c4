"""The words and the form of the report."""

TEMPLATE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Fit of {{ result.subject }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; }
td, th { border-bottom: 1px solid #ccc; padding: .2rem .8rem; text-align: left; }
img { max-width: 100%; } pre { background: #f4f4f4; padding: 1rem; overflow-x: auto; }
.not { color: #a33; }
</style></head><body>
<h1>Fit of {{ result.subject }}</h1>
<p>{{ result.model }}, schedule {{ result.schedule }}, seed {{ result.seed }},
{{ result.labels | length }} regions, TR {{ result.tr_s }} s,
{{ "%.1f" | format(metrics.cpu_seconds) }} CPU seconds.</p>
{% for notice in result.notices %}<p><b>Notice.</b> {{ notice }}</p>{% endfor %}
<h2>How well it does</h2>
<table>
<tr><th></th><th>training</th>{% if has_test %}<th>test</th>{% endif %}</tr>
<tr><td>r of simulated and empirical FC, mean of {{ result.noise_seeds | length }} noise seeds</td>
<td>{{ "%.3f" | format(metrics.train_fc_r) }}</td>
{% if has_test %}<td>{{ "%.3f" | format(metrics.test_fc_r) }}</td>{% endif %}</tr>
{% if has_test %}<tr><td>ceiling: r of the training and the test FC</td><td></td>
<td>{{ "%.3f" | format(metrics.ceiling_fc_r) }}</td></tr>{% endif %}
<tr><td>mean FC: simulated {{ "%.3f" | format(metrics.fc_mean_simulated) }}, data</td>
<td>{{ "%.3f" | format(metrics.fc_mean_train) }}</td>
{% if has_test %}<td>{{ "%.3f" | format(metrics.fc_mean_test) }}</td>{% endif %}</tr>
<tr><td>sd of FC over pairs: simulated {{ "%.3f" | format(metrics.fc_sd_simulated) }}, data</td>
<td>{{ "%.3f" | format(metrics.fc_sd_train) }}</td>
{% if has_test %}<td>{{ "%.3f" | format(metrics.fc_sd_test) }}</td>{% endif %}</tr>
</table>
<h2>What the data say about the parameters</h2>
{% if identified %}
<p>Functional connectivity determines how strongly regions are coupled in units of the rate at which
one of them returns to rest, g b / kappa. It does not determine the four weights one by one: other
sets give the same FC. The intervals are those of the Fisher information of the FC of one scan of
this length in the linear noise approximation, region scales integrated out.
{% if connectome_free %}The connectome was fitted: the first interval integrates over its log gains
with the prior that the fit used; the one for the connectome as fitted takes them as known, and is
too narrow. Gains and coupling strength trade against each other, so the value is that of this prior
and of a fit that has converged; compare others with <code>linear_noise.gain_prior</code> and
<code>steps</code>.{% else %}The connectome counts as known.{% endif %}
They hold sampling error alone, not the error of the linear approximation itself.</p>
<table><tr><th>quantity</th><th>value</th><th>95 % interval</th></tr>
{% for one in identified if one.is_identified %}
<tr><td>{{ one.name }}</td><td>{{ "%.4g" | format(one.value) }}</td>
<td>{{ "%.4g" | format(one.low) }} to {{ "%.4g" | format(one.high) }}</td></tr>
{% endfor %}</table>
<p class="not">Not identified by these data, each conditional on the chosen operating point:
{% for one in identified if not one.is_identified %}{{ one.name }}{{ ", " if not loop.last }}{%
endfor %}. The values below simulate this FC; they are not estimates of this brain.</p>
{% else %}<p class="not">This schedule fits free weights; no information matrix is computed, and FC
alone does not determine them. The values simulate this FC; they are not estimates.</p>{% endif %}
<table><tr><th>parameter</th><th>value used</th><th>unit</th><th>known to</th><th>meaning</th></tr>
{% for p in parameters %}<tr><td>{{ p.name }}</td><td>{{ p.value }}</td><td>{{ p.unit }}</td>
<td>{{ p.known }}</td><td>{{ p.meaning }}</td></tr>{% endfor %}</table>
{% for figure in figures %}<h2>{{ figure.title }}</h2>
<img alt="{{ figure.title }}" src="data:image/png;base64,{{ figure.image }}">{% endfor %}
<h2>Settings</h2><pre>{{ settings }}</pre>
<p>{% for name, version in versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{%
endfor %}</p>
</body></html>
"""
