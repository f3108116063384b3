/** The component library's box, loaded when it is needed. */
import 'element-plus/es/components/message-box/style/css'

export { ElMessageBox } from 'element-plus'
