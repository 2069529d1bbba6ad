// SPDX-License-Identifier: GPL-2.0-only
import { crumbs } from "../logic/path";
import { BUCKETS, folder, formatRoute } from "../logic/route";
import { Icon } from "../parts/Icon";
import styles from "./Objects.module.css";

export function Breadcrumbs({ bucket, prefix }: { bucket: string; prefix: string }) {
  const steps = [
    { name: "Buckets", href: formatRoute(BUCKETS) },
    { name: bucket, href: formatRoute(folder(bucket, "")) },
    ...crumbs(prefix).map((crumb) => ({ name: crumb.name, href: formatRoute(folder(bucket, crumb.prefix)) })),
  ];
  return (
    <nav aria-label="Breadcrumb" className={styles.crumbs}>
      <ol>
        {steps.map(({ name, href }, i) => (
          <li key={href}>
            {i === steps.length - 1 ? <h1>{name || "(no name)"}</h1> : <a href={href}>{name || "(no name)"}</a>}
            {i < steps.length - 1 && <Icon name="chevron" size={14} />}
          </li>
        ))}
      </ol>
    </nav>
  );
}
